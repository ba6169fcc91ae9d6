// Register tiles for machines whose registers are known: they fit, cover no more columns than there are, and follow the
// cache where it decides.

import test from "ava";
import fc from "fast-check";
import { fits, fitTile, registerTiles, SIMD128, type VectorUnit } from "../../compiler/schedule/tiles.js";

const UNITS: readonly VectorUnit[] = [
  { lanes: 4, registers: 16, prefetches: true, convertsHalves: false },
  { lanes: 4, registers: 32, prefetches: true, convertsHalves: true },
  { lanes: 8, registers: 16, prefetches: true, convertsHalves: false },
  { lanes: 16, registers: 32, prefetches: true, convertsHalves: true },
];

const shape = fc.record({
  rows: fc.integer({ min: 1, max: 5000 }),
  columns: fc.integer({ min: 4, max: 5000 }),
  apart: fc.integer({ min: 0, max: 40000 }),
});

test("a tile fits the registers and the shape", (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...UNITS), shape, (unit, s) => {
      for (const tile of [registerTiles(unit).matmul(s), registerTiles(unit).conv(s)]) {
        t.true(fits(unit, tile));
        t.true(tile.mr >= 1 && tile.mr <= s.rows && tile.nr <= s.columns && tile.nr % 4 === 0);
      }
      const { nr } = registerTiles(unit).depthwise(s);
      t.true(nr <= unit.lanes && nr <= s.columns);
    }),
  );
});

test("columns are less than a vector or whole ones, and as many as there are where that is a width", (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...UNITS), shape, (unit, s) => {
      const { nr } = registerTiles(unit).conv(s);
      t.true(nr < unit.lanes || nr % unit.lanes === 0);
    }),
  );
  const [avx2] = UNITS.filter((u) => u.lanes === 8);
  if (avx2 === undefined) return t.fail();
  t.is(registerTiles(avx2).conv({ rows: 160, columns: 24 }).nr, 24);
});

test("a tile of another unit becomes a part of its panel's columns that fits", (t) => {
  fc.assert(
    fc.property(fc.constantFrom(...UNITS), fc.constantFrom(...UNITS), shape, (from, to, s) => {
      const panel = registerTiles(from).matmul(s);
      const tile = fitTile(to, panel, s);
      t.true(fits(to, tile));
      t.is(panel.nr % tile.nr, 0);
      t.is(tile.nr % 4, 0);
    }),
  );
});

test("engines take the schedule's tile as it is", (t) => {
  t.deepEqual(fitTile(SIMD128, { mr: 14, nr: 48 }, { rows: 100, columns: 100 }), { mr: 14, nr: 48 });
});

test("rows that share the sets of the first-level cache are few", (t) => {
  const [avx512] = UNITS.slice(-1);
  if (avx512 === undefined) return t.fail();
  const tiles = registerTiles(avx512);
  t.true(tiles.matmul({ rows: 1400, columns: 992, apart: 8192 }).mr <= 8);
  t.true(tiles.matmul({ rows: 1400, columns: 992, apart: 8192 + 64 }).mr > 8);
});

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
    }),
  );
});

test("a tile with columns behind the last of a constant has no vector of them alone", (t) => {
  for (const unit of UNITS)
    for (const rows of [1, 2, 6, 100])
      for (let columns = 1; columns <= 200; columns++) {
        const s = { rows, columns, pads: true };
        for (const { nr } of [registerTiles(unit).matmul(s), registerTiles(unit).conv(s)])
          t.true(nr <= columns || nr === 4 || nr - columns < unit.lanes, `${nr} for ${columns} by ${unit.lanes}`);
      }
});

test("a tile of small groups has whole groups, and whole vectors where there are as many results", (t) => {
  const size = fc.record({
    groups: fc.integer({ min: 2, max: 100 }),
    inputs: fc.integer({ min: 1, max: 8 }),
    results: fc.integer({ min: 1, max: 40 }),
  });
  fc.assert(
    fc.property(fc.constantFrom(...UNITS), size, (unit, { groups, inputs, results }) => {
      const tile = registerTiles(unit).depthwise({ groups, inputs, results });
      if (tile === null) return;
      t.is(tile.nr % results, 0);
      t.true(tile.nr <= groups * results);
      t.true(tile.nr % unit.lanes === 0 || tile.nr < unit.lanes);
    }),
  );
  t.is(registerTiles(UNITS[3] ?? SIMD128).depthwise({ groups: 32, inputs: 4, results: 4 })?.nr, 16);
  t.is(registerTiles(UNITS[2] ?? SIMD128).depthwise({ groups: 32, inputs: 1, results: 3 })?.nr, 24);
  t.is(registerTiles(UNITS[0] ?? SIMD128).depthwise({ groups: 3, inputs: 1, results: 1 }), null);
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

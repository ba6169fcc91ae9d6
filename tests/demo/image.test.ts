// The demo's picture functions against values that can be worked out by hand.

import test from "ava";
import { crop, fromRgba, type Image, resize, toTensor, turnHalf } from "../../examples/ocr/image.js";

/** A grey picture from rows of values. */
function grey(...rows: number[][]): Image {
  return {
    width: rows[0]?.length ?? 0,
    height: rows.length,
    rgb: Uint8Array.from(rows.flat().flatMap((value) => [value, value, value])),
  };
}

/** The red values, row by row. */
function rowsOf({ width, height, rgb }: Image): number[][] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => rgb[(y * width + x) * 3] ?? Number.NaN),
  );
}

const plain = { mean: [0, 0, 0], deviation: [1, 1, 1] } as const;

test("what is transparent shows white", (t) => {
  const { rgb } = fromRgba(3, 1, [10, 20, 30, 255, 10, 20, 30, 0, 0, 0, 0, 51]);
  t.deepEqual([...rgb], [10, 20, 30, 255, 255, 255, 204, 204, 204]);
  t.throws(() => fromRgba(2, 1, [1, 2, 3, 4]), { message: "picture of 2x1: have 4 bytes, want 8" });
});

test("scaling by one changes nothing", (t) => {
  const image = grey([1, 200, 3], [40, 5, 60]);
  t.deepEqual(resize(image, 3, 2), image);
});

test("scaling interpolates between pixel centres and repeats the border", (t) => {
  t.deepEqual(rowsOf(resize(grey([0, 100]), 4, 1)), [[0, 25, 75, 100]]);
  t.deepEqual(rowsOf(resize(grey([0], [100]), 1, 4)), [[0], [25], [75], [100]]);
  t.deepEqual(rowsOf(resize(grey([10, 30], [50, 70]), 1, 1)), [[40]]);
});

test("scaling keeps the channels apart", (t) => {
  const image: Image = { width: 2, height: 1, rgb: Uint8Array.from([0, 10, 200, 100, 30, 0]) };
  t.deepEqual([...resize(image, 1, 1).rgb], [50, 20, 100]);
});

test("an upright crop takes the pixels of its rectangle", (t) => {
  const image = grey([1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12]);
  const rectangle = { centre: { x: 2, y: 2 }, along: { x: 1, y: 0 }, length: 2, thickness: 2 };
  t.deepEqual(rowsOf(crop(image, rectangle, 2, 2)), [
    [6, 7],
    [10, 11],
  ]);
});

test("a crop along a line that runs downwards turns it upright", (t) => {
  const image = grey([1, 2, 3], [4, 5, 6]);
  const rectangle = { centre: { x: 1.5, y: 1 }, along: { x: 0, y: 1 }, length: 2, thickness: 3 };
  t.deepEqual(rowsOf(crop(image, rectangle, 2, 3)), [
    [3, 6],
    [2, 5],
    [1, 4],
  ]);
});

test("half a turn reverses rows and columns", (t) => {
  t.deepEqual(rowsOf(turnHalf(grey([1, 2, 3], [4, 5, 6]))), [
    [6, 5, 4],
    [3, 2, 1],
  ]);
});

test("a tensor holds blue, green and red planes", (t) => {
  const image: Image = { width: 2, height: 1, rgb: Uint8Array.from([255, 0, 51, 0, 255, 102]) };
  t.deepEqual([...toTensor(image, plain)], [0.2, 0.4, 0, 1, 1, 0].map(Math.fround));
});

test("a tensor is normalized per plane and padded with zeros on the right", (t) => {
  const image = grey([255], [0]);
  const tensor = toTensor(image, { mean: [0.5, 0.25, 0], deviation: [0.5, 0.25, 2] }, 3);
  t.deepEqual([...tensor], [1, 0, 0, -1, 0, 0, 3, 0, 0, -1, 0, 0, 0.5, 0, 0, 0, 0, 0]);
});

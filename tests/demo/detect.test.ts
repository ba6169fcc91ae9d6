// The geometry behind detection, and boxes from probability maps that were drawn by hand.

import test from "ava";
import fc from "fast-check";
import { type Box, boxesOf, detect, detectionSize, inReadingOrder, regions } from "../../examples/ocr/detect.js";
import {
  contains,
  convexHull,
  cornersOf,
  grow,
  type Point,
  type Rectangle,
  smallestRectangle,
  stretch,
} from "../../examples/ocr/geometry.js";

/** A map that is `probability` at the pixels whose centres `inside` holds, else 0. */
function draw(width: number, height: number, inside: (point: Point) => boolean, probability = 0.9): Float32Array {
  return Float32Array.from({ length: width * height }, (_, pixel) =>
    inside({ x: (pixel % width) + 0.5, y: Math.floor(pixel / width) + 0.5 }) ? probability : 0,
  );
}

const upright = (x: number, y: number, length: number, thickness: number): Rectangle => ({
  centre: { x, y },
  along: { x: 1, y: 0 },
  length,
  thickness,
});

const tilted = (degrees: number, centre: Point, length: number, thickness: number): Rectangle => {
  const angle = (degrees * Math.PI) / 180;
  return { centre, along: { x: Math.cos(angle), y: Math.sin(angle) }, length, thickness };
};

const coordinate = fc.integer({ min: -20, max: 20 });
const pointsOf = (least: number) =>
  fc.array(fc.record({ x: coordinate, y: coordinate }), { minLength: least, maxLength: 40 });

test("a hull leaves out what is inside or on an edge", (t) => {
  const points = [0, 1, 2, 3].flatMap((x) => [0, 1, 2].map((y) => ({ x, y })));
  const hull = convexHull(points).map(({ x, y }) => `${x},${y}`);
  t.deepEqual(hull.sort(), ["0,0", "0,2", "3,0", "3,2"]);
});

test("the smallest rectangle holds every point and is no larger than the upright one", (t) => {
  fc.assert(
    fc.property(pointsOf(3), (points) => {
      const hull = convexHull(points);
      fc.pre(hull.length >= 3);
      const rectangle = smallestRectangle(hull);
      const xs = points.map(({ x }) => x);
      const ys = points.map(({ y }) => y);
      const around = (Math.max(...xs) - Math.min(...xs)) * (Math.max(...ys) - Math.min(...ys));
      const slightlyLarger = grow(rectangle, 1e-9);
      return (
        points.every((point) => contains(slightlyLarger, point)) &&
        rectangle.length * rectangle.thickness <= around + 1e-9
      );
    }),
  );
  t.pass();
});

test("the smallest rectangle finds a tilted rectangle from its corners", (t) => {
  for (const degrees of [-44, -30, -4, 0, 7, 44]) {
    const want = tilted(degrees, { x: 30, y: 20 }, 40, 9);
    const have = smallestRectangle(convexHull(cornersOf(want)));
    for (const [have1, want1] of [
      [have.centre.x, 30],
      [have.centre.y, 20],
      [have.along.x, want.along.x],
      [have.along.y, want.along.y],
      [have.length, 40],
      [have.thickness, 9],
    ] as const) {
      t.true(Math.abs(have1 - want1) < 1e-9, `${degrees} degrees: have ${have1}, want ${want1}`);
    }
  }
});

test("corners start at the top left and go clockwise", (t) => {
  t.deepEqual(cornersOf(upright(5, 3, 6, 2)), [
    { x: 2, y: 2 },
    { x: 8, y: 2 },
    { x: 8, y: 4 },
    { x: 2, y: 4 },
  ]);
});

test("stretching an upright rectangle stretches its sides", (t) => {
  t.deepEqual(stretch(upright(5, 3, 6, 2), 2, 3), upright(10, 9, 12, 6));
});

test("the detector sees both sides as multiples of 32, the longer at most 960", (t) => {
  t.deepEqual(detectionSize(640, 448), { width: 640, height: 448 });
  t.deepEqual(detectionSize(100, 7), { width: 96, height: 32 });
  t.deepEqual(detectionSize(4000, 3000), { width: 960, height: 736 });
  t.deepEqual(detectionSize(10, 5000), { width: 32, height: 960 });
});

test("regions join pixels that touch at a corner, and no others", (t) => {
  const map = Float32Array.from([1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1]);
  t.is(regions(map, 4, 3, 0.5).length, 3);
  t.is(regions(Float32Array.from([0, 0, 1, 1, 0, 0]), 3, 2, 0.5).length, 2);
  t.is(regions(new Float32Array(6), 3, 2, 0.5).length, 0);
});

test("a core grows by its area times the ratio over its perimeter", (t) => {
  const core = upright(50, 20, 60, 10);
  const [box, ...others] = boxesOf(
    draw(100, 40, (point) => contains(core, point)),
    100,
    40,
  );
  t.is(others.length, 0);
  const distance = (60 * 10 * 1.5) / (2 * (60 + 10));
  t.deepEqual(box?.rectangle, upright(50, 20, 60 + 2 * distance, 10 + 2 * distance));
  t.true(Math.abs((box?.score ?? 0) - 0.9) < 1e-6);
});

test("a tilted core gives a tilted box", (t) => {
  const core = tilted(10, { x: 80, y: 50 }, 110, 12);
  const [box] = boxesOf(
    draw(160, 100, (point) => contains(core, point)),
    160,
    100,
  );
  const { centre, along, length } = box?.rectangle ?? upright(0, 0, 0, 0);
  const degrees = (Math.atan2(along.y, along.x) * 180) / Math.PI;
  t.true(Math.abs(degrees - 10) < 1, `${degrees} degrees`);
  t.true(Math.hypot(centre.x - 80, centre.y - 50) < 1, `${centre.x}, ${centre.y}`);
  t.true(length > 110 && length < 140, `${length}`);
});

test("faint and thin regions are no text", (t) => {
  const wide = (y: number, thickness: number) => (point: Point) => contains(upright(50, y, 60, thickness), point);
  t.deepEqual(boxesOf(draw(100, 40, wide(20, 10), 0.25), 100, 40), []);
  t.deepEqual(boxesOf(draw(100, 40, wide(20, 10), 0.5), 100, 40), []);
  t.deepEqual(boxesOf(draw(100, 40, wide(20, 2)), 100, 40), []);
});

test("boxes are read by rows, and from the left within a row", (t) => {
  const box = (x: number, y: number): Box => ({ rectangle: upright(x, y, 40, 12), score: 1 });
  const order = inReadingOrder([box(200, 13), box(20, 50), box(90, 8), box(20, 10), box(20, 30)]);
  t.deepEqual(
    order.map(({ rectangle }) => [rectangle.centre.x, rectangle.centre.y]),
    [
      [20, 10],
      [90, 8],
      [200, 13],
      [20, 30],
      [20, 50],
    ],
  );
});

test("boxes come back in the picture's coordinates", async (t) => {
  const image = { width: 1920, height: 640, rgb: new Uint8Array(1920 * 640 * 3) };
  const core = upright(300, 100, 200, 20);
  const boxes = await detect(image, async (_, [, , height = 0, width = 0]) => ({
    data: draw(width, height, (point) => contains(core, point)),
    shape: [1, 1, height, width],
  }));
  t.deepEqual(
    boxes.map(({ rectangle }) => rectangle.centre),
    [{ x: 600, y: 200 }],
  );
  const failing = detect(image, async () => ({ data: new Float32Array(4), shape: [1, 1, 2, 2] }));
  await t.throwsAsync(failing, { message: "detection: the network gave [1,1,2,2] for a picture of 960x320" });
});

// Finds lines of text: a picture in, rotated rectangles in the picture's coordinates out.
//
// The network (PP-OCRv4's detector, a DBNet) gives each pixel the probability of being in the core of a line. As the DB
// paper says (Liao et al. 2019, section 3.6), the cores are the connected regions above a threshold, and a line is the
// smallest rectangle around its core, grown by area * ratio / perimeter. The constants are PaddleOCR's defaults.

import { contains, convexHull, grow, type Point, type Rectangle, smallestRectangle, stretch } from "./geometry.js";
import { type Image, type Normalization, resize, toTensor } from "./image.js";
import type { Network } from "./network.js";

/** PaddleOCR feeds the ImageNet constants to blue, green and red in this order, and so were its networks trained. */
const normalization: Normalization = { mean: [0.485, 0.456, 0.406], deviation: [0.229, 0.224, 0.225] };

/** The network's height and width must be multiples of this. */
export const detectionStep = 32;
/** The longer side of what the network sees is at most this. */
export const detectionLimit = 960;

const coreThreshold = 0.3;
const boxThreshold = 0.6;
const growth = 1.5;
/** Pixels of the map: regions that are thinner, and boxes that are thinner by two more, are noise. */
const leastThickness = 3;

/** A line of text that was found: where, and the mean probability of the pixels in its core. */
export interface Box {
  readonly rectangle: Rectangle;
  readonly score: number;
}

/** The size at which the network sees a picture: at most the limit, both sides multiples of the step. */
export function detectionSize(width: number, height: number): { readonly width: number; readonly height: number } {
  const scale = Math.min(1, detectionLimit / Math.max(width, height));
  const round = (side: number): number => Math.max(1, Math.round((side * scale) / detectionStep)) * detectionStep;
  return { width: round(width), height: round(height) };
}

/**
 * The regions of pixels above `threshold` that touch at edges or corners. Each is given by the corners of the first and
 * the last pixel of its runs along the rows, which is all that a hull needs.
 */
export function regions(map: Float32Array, width: number, height: number, threshold: number): Point[][] {
  const seen = new Uint8Array(width * height);
  const found: Point[][] = [];
  const above = (pixel: number): boolean => (map[pixel] ?? 0) > threshold;
  for (let start = 0; start < width * height; start += 1) {
    if (seen[start] === 1 || !above(start)) continue;
    const corners: Point[] = [];
    const open = [start];
    seen[start] = 1;
    for (let pixel = open.pop(); pixel !== undefined; pixel = open.pop()) {
      const x = pixel % width;
      const y = (pixel - x) / width;
      if (x === 0 || !above(pixel - 1)) corners.push({ x, y }, { x, y: y + 1 });
      if (x === width - 1 || !above(pixel + 1)) corners.push({ x: x + 1, y }, { x: x + 1, y: y + 1 });
      for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny += 1) {
        for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx += 1) {
          const next = ny * width + nx;
          if (seen[next] === 1 || !above(next)) continue;
          seen[next] = 1;
          open.push(next);
        }
      }
    }
    found.push(corners);
  }
  return found;
}

/** The mean of the map over the pixels whose centres are in the rectangle; 0 when there are none. */
function meanInside(map: Float32Array, width: number, height: number, rectangle: Rectangle): number {
  const reach = (rectangle.length + rectangle.thickness) / 2;
  const { x: cx, y: cy } = rectangle.centre;
  let sum = 0;
  let count = 0;
  for (let y = Math.max(0, Math.floor(cy - reach)); y < Math.min(height, cy + reach); y += 1) {
    for (let x = Math.max(0, Math.floor(cx - reach)); x < Math.min(width, cx + reach); x += 1) {
      if (!contains(rectangle, { x: x + 0.5, y: y + 0.5 })) continue;
      sum += map[y * width + x] ?? 0;
      count += 1;
    }
  }
  return count === 0 ? 0 : sum / count;
}

/** The lines in a probability map of `width` by `height`, in the map's coordinates, in no particular order. */
export function boxesOf(map: Float32Array, width: number, height: number): Box[] {
  const boxes: Box[] = [];
  for (const corners of regions(map, width, height, coreThreshold)) {
    const core = smallestRectangle(convexHull(corners));
    if (Math.min(core.length, core.thickness) < leastThickness) continue;
    const score = meanInside(map, width, height, core);
    if (score < boxThreshold) continue;
    const distance = (core.length * core.thickness * growth) / (2 * (core.length + core.thickness));
    const rectangle = grow(core, distance);
    if (Math.min(rectangle.length, rectangle.thickness) < leastThickness + 2) continue;
    boxes.push({ rectangle, score });
  }
  return boxes;
}

/** The boxes as one reads: rows from the top, and from the left within a row. */
export function inReadingOrder(boxes: readonly Box[]): Box[] {
  const rows: Box[][] = [];
  for (const box of [...boxes].sort((a, b) => a.rectangle.centre.y - b.rectangle.centre.y)) {
    const row = rows.at(-1);
    const first = row?.[0]?.rectangle;
    const { centre, thickness } = box.rectangle;
    const sameRow = first !== undefined && centre.y - first.centre.y < Math.min(first.thickness, thickness) / 2;
    if (row !== undefined && sameRow) row.push(box);
    else rows.push([box]);
  }
  return rows.flatMap((row) => row.sort((a, b) => a.rectangle.centre.x - b.rectangle.centre.x));
}

/** The lines of text in a picture, in reading order. */
export async function detect(image: Image, network: Network): Promise<Box[]> {
  const { width, height } = detectionSize(image.width, image.height);
  const map = await network(toTensor(resize(image, width, height), normalization), [1, 3, height, width]);
  if (map.data.length !== width * height) {
    throw new RangeError(`detection: the network gave [${map.shape}] for a picture of ${width}x${height}`);
  }
  const boxes = boxesOf(map.data, width, height).map(({ rectangle, score }) => ({
    rectangle: stretch(rectangle, image.width / width, image.height / height),
    score,
  }));
  return inReadingOrder(boxes);
}

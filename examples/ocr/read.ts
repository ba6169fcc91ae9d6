// The whole of it: a picture in, its lines of text out.

import { detect } from "./detect.js";
import { cornersOf, type Point } from "./geometry.js";
import type { Image } from "./image.js";
import type { Networks } from "./network.js";
import { recognize } from "./recognize.js";

/** A line of text, and where in the picture it is: top left, top right, bottom right, bottom left. */
export interface Line {
  readonly text: string;
  /** The mean probability of its characters. */
  readonly confidence: number;
  readonly corners: readonly [Point, Point, Point, Point];
}

/** Readings below this are boxes without text. */
const leastConfidence = 0.5;

/** The lines of text in a picture, rows from the top and from the left within a row. */
export async function read(image: Image, networks: Networks, alphabet: readonly string[]): Promise<Line[]> {
  const lines: Line[] = [];
  for (const { rectangle } of await detect(image, networks.detection)) {
    const { text, confidence } = await recognize(image, rectangle, networks, alphabet);
    if (confidence >= leastConfidence) lines.push({ text, confidence, corners: cornersOf(rectangle) });
  }
  return lines;
}

// Reads one line of text: a picture and a rotated rectangle in, text and confidence out.
//
// The line is cut out upright, turned if the direction network sees it upside down, scaled to 48 pixels of height and
// given to the recognition network, whose answer per step is decoded as CTC (Graves et al. 2006): the best class of each
// step, repeats merged, blanks dropped. Sizes and constants are PaddleOCR's.

import type { Rectangle } from "./geometry.js";
import { crop, type Image, type Normalization, resize, toTensor, turnHalf } from "./image.js";
import type { Network, Networks } from "./network.js";

const normalization: Normalization = { mean: [0.5, 0.5, 0.5], deviation: [0.5, 0.5, 0.5] };

/** Height in pixels at which the networks see a line. */
export const lineHeight = 48;
/** Width at which the direction network sees a line: longer lines are squeezed, shorter ones padded. */
export const directionWidth = 192;
/** The recognition network's least and greatest width, and the step between widths (its steps of text are 8 wide). */
export const recognitionWidth = { least: 320, greatest: 1600, step: 8 } as const;

const turnedThreshold = 0.9;
/** A box that is this many times as high as wide holds a line that runs downwards. */
const uprightRatio = 1.5;

/** What was read, and the mean probability of its characters (0 for no characters). */
export interface Reading {
  readonly text: string;
  readonly confidence: number;
}

/** The classes of the recognition network: the blank, the dictionary (one character per line), a space. */
export function alphabetOf(dictionary: string): string[] {
  const characters = dictionary.replace(/\r?\n$/, "").split(/\r?\n/);
  return ["", ...characters, " "];
}

/** Decodes `steps` rows of probabilities, one per class of the alphabet, whose class 0 is the blank. */
export function decode(probabilities: Float32Array, steps: number, alphabet: readonly string[]): Reading {
  const classes = alphabet.length;
  if (probabilities.length !== steps * classes) {
    throw new RangeError(
      `decode: have ${probabilities.length} values, want ${steps} steps of ${classes} classes: is it the network's dictionary?`,
    );
  }
  let text = "";
  let sum = 0;
  let count = 0;
  let previous = 0;
  for (let step = 0; step < steps; step += 1) {
    const row = probabilities.subarray(step * classes, (step + 1) * classes);
    let best = 0;
    for (let index = 1; index < classes; index += 1) if ((row[index] ?? 0) > (row[best] ?? 0)) best = index;
    if (best !== 0 && best !== previous) {
      text += alphabet[best] ?? "";
      sum += row[best] ?? 0;
      count += 1;
    }
    previous = best;
  }
  return { text, confidence: count === 0 ? 0 : sum / count };
}

/** The rectangle with its long edges along the text: one that is a column is read downwards, letters lying to the right. */
function alongText(rectangle: Rectangle): Rectangle {
  const { centre, along, length, thickness } = rectangle;
  if (thickness < length * uprightRatio) return rectangle;
  return { centre, along: { x: -along.y, y: along.x }, length: thickness, thickness: length };
}

/** The width in pixels of a line scaled to the network's height, at most `greatest`. */
const widthAt = ({ length, thickness }: Rectangle, greatest: number): number =>
  Math.max(1, Math.min(greatest, Math.ceil((lineHeight * length) / thickness)));

/** The line, 48 pixels high, turned when the direction network is sure that it stands upside down. */
async function upright(line: Image, direction: Network): Promise<Image> {
  const seen = line.width > directionWidth ? resize(line, directionWidth, lineHeight) : line;
  const { data } = await direction(toTensor(seen, normalization, directionWidth), [1, 3, lineHeight, directionWidth]);
  return (data[1] ?? 0) > turnedThreshold ? turnHalf(line) : line;
}

/** Reads the line of text in a rectangle of the picture. */
export async function recognize(
  image: Image,
  rectangle: Rectangle,
  networks: Pick<Networks, "direction" | "recognition">,
  alphabet: readonly string[],
): Promise<Reading> {
  const { least, greatest, step } = recognitionWidth;
  const box = alongText(rectangle);
  const line = await upright(crop(image, box, widthAt(box, greatest), lineHeight), networks.direction);
  const width = Math.max(least, Math.ceil(line.width / step) * step);
  const { data, shape } = await networks.recognition(toTensor(line, normalization, width), [1, 3, lineHeight, width]);
  return decode(data, shape[1] ?? 0, alphabet);
}

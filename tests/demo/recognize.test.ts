// CTC decoding on answers written by hand, and how a line reaches the networks.

import test from "ava";
import type { Rectangle } from "../../examples/ocr/geometry.js";
import type { Image } from "../../examples/ocr/image.js";
import { alphabetOf, decode, recognize } from "../../examples/ocr/recognize.js";

const alphabet = alphabetOf("a\nb\n");

/** Rows of probabilities in which each class in turn has its probability and the others share the rest. */
function answer(...best: [index: number, probability: number][]): Float32Array {
  return Float32Array.from(
    best.flatMap(([index, probability]) =>
      alphabet.map((_, other) => (other === index ? probability : (1 - probability) / (alphabet.length - 1))),
    ),
  );
}

test("the alphabet is the blank, the dictionary and a space", (t) => {
  t.deepEqual(alphabet, ["", "a", "b", " "]);
  t.deepEqual(alphabetOf("x\r\n  \r\ny"), ["", "x", "  ", "y", " "]);
});

test("repeats merge unless a blank parts them, and blanks vanish", (t) => {
  const steps = answer([0, 1], [1, 1], [1, 1], [0, 1], [1, 1], [3, 1], [3, 1], [2, 1], [0, 1]);
  t.deepEqual(decode(steps, 9, alphabet), { text: "aa b", confidence: 1 });
});

test("the confidence is the mean over the characters that stay", (t) => {
  const { text, confidence } = decode(answer([1, 0.5], [1, 0.9], [0, 0.6], [2, 0.75]), 4, alphabet);
  t.is(text, "ab");
  t.is(confidence, 0.625);
});

test("nothing but blanks is no text", (t) => {
  t.deepEqual(decode(answer([0, 1], [0, 1]), 2, alphabet), { text: "", confidence: 0 });
  t.deepEqual(decode(new Float32Array(0), 0, alphabet), { text: "", confidence: 0 });
});

test("a dictionary that is not the network's is refused", (t) => {
  t.throws(() => decode(new Float32Array(10), 2, alphabet), { message: /have 10 values, want 2 steps of 4 classes/ });
});

/** What the recognition network is given for a rectangle of a picture, black on the left and white on the right. */
async function givenTo(
  rectangle: Rectangle,
  turned: number,
): Promise<{ shape: readonly number[]; data: Float32Array }> {
  const [width, height] = [2000, 100];
  const rgb = Uint8Array.from({ length: width * height * 3 }, (_, i) => (Math.floor(i / 3) % width < 1000 ? 0 : 255));
  const image: Image = { width, height, rgb };
  let given: { shape: readonly number[]; data: Float32Array } = { shape: [], data: new Float32Array(0) };
  const networks = {
    direction: async () => ({ data: Float32Array.of(1 - turned, turned), shape: [1, 2] }),
    recognition: async (data: Float32Array, shape: readonly number[]) => {
      given = { shape, data };
      return { data: answer([2, 1]), shape: [1, 1, alphabet.length] };
    },
  };
  const { text } = await recognize(image, rectangle, networks, alphabet);
  if (text !== "b") throw new Error(`have "${text}", want "b"`);
  return given;
}

const line = (x: number, length: number, thickness: number): Rectangle => ({
  centre: { x, y: 50 },
  along: { x: 1, y: 0 },
  length,
  thickness,
});

test("a line is scaled to 48 pixels of height and padded to a width of 320", async (t) => {
  const { shape, data } = await givenTo(line(1500, 100, 24), 0);
  t.deepEqual(shape, [1, 3, 48, 320]);
  t.true(data.subarray(0, 200).every((value) => value === 1));
  t.true(data.subarray(200, 320).every((value) => value === 0));
});

test("a long line has its own width, rounded up to 8, up to 1600", async (t) => {
  t.deepEqual((await givenTo(line(1000, 401, 48), 0)).shape, [1, 3, 48, 408]);
  t.deepEqual((await givenTo(line(1000, 2000, 24), 0)).shape, [1, 3, 48, 1600]);
});

test("a line is turned only when the direction network is sure", async (t) => {
  for (const [turned, left] of [
    [0.89, -1],
    [0.91, 1],
  ] as const) {
    const { data } = await givenTo(line(1000, 400, 48), turned);
    t.is(data[0], left);
    t.is(data[399], -left);
  }
});

test("a box that is far higher than wide is read downwards", async (t) => {
  const { shape, data } = await givenTo(line(1000, 8, 80), 0);
  t.deepEqual(shape, [1, 3, 48, 480]);
  // Its right half, white, comes to lie on top.
  t.is(data[0], 1);
  t.is(data[47 * 480], -1);
});

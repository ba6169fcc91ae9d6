// Pictures as typed arrays, and what the networks need of them: scaling, cutting out a rotated rectangle, normalizing.
//
// A picture is 8-bit RGB, row by row. Coordinates are continuous: pixel (x, y) covers [x, x+1) by [y, y+1), its centre
// is at (x + 0.5, y + 0.5), so that scaling needs no off-by-a-half corrections. Everything here is a pure function.

import type { Point, Rectangle } from "./geometry.js";

/** 8-bit RGB, three bytes per pixel, row by row from the top. */
export interface Image {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/** A picture from RGBA bytes, as PNG readers and canvases give them; what is transparent shows white. */
export function fromRgba(width: number, height: number, rgba: ArrayLike<number>): Image {
  if (rgba.length !== width * height * 4) {
    throw new RangeError(`picture of ${width}x${height}: have ${rgba.length} bytes, want ${width * height * 4}`);
  }
  const rgb = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel += 1) {
    const alpha = (rgba[pixel * 4 + 3] ?? 255) / 255;
    for (let c = 0; c < 3; c += 1) {
      rgb[pixel * 3 + c] = Math.round((rgba[pixel * 4 + c] ?? 0) * alpha + 255 * (1 - alpha));
    }
  }
  return { width, height, rgb };
}

/** The colour at a point, between the four nearest pixel centres; beyond the border the border repeats. */
function sample(image: Image, x: number, y: number, out: Uint8Array, at: number): void {
  const { width, height, rgb } = image;
  const left = Math.floor(x - 0.5);
  const top = Math.floor(y - 0.5);
  const fx = x - 0.5 - left;
  const fy = y - 0.5 - top;
  const x0 = Math.min(Math.max(left, 0), width - 1) * 3;
  const x1 = Math.min(Math.max(left + 1, 0), width - 1) * 3;
  const y0 = Math.min(Math.max(top, 0), height - 1) * width * 3;
  const y1 = Math.min(Math.max(top + 1, 0), height - 1) * width * 3;
  for (let c = 0; c < 3; c += 1) {
    const upper = (rgb[y0 + x0 + c] ?? 0) * (1 - fx) + (rgb[y0 + x1 + c] ?? 0) * fx;
    const lower = (rgb[y1 + x0 + c] ?? 0) * (1 - fx) + (rgb[y1 + x1 + c] ?? 0) * fx;
    out[at + c] = Math.round(upper * (1 - fy) + lower * fy);
  }
}

/**
 * The picture of `width` by `height` that takes each pixel from `image` at origin + x * right + y * down, where x and y
 * are the centre of the pixel over the size.
 */
function warp(image: Image, width: number, height: number, origin: Point, right: Point, down: Point): Image {
  const rgb = new Uint8Array(width * height * 3);
  for (let row = 0; row < height; row += 1) {
    const v = (row + 0.5) / height;
    for (let column = 0; column < width; column += 1) {
      const u = (column + 0.5) / width;
      const x = origin.x + u * right.x + v * down.x;
      const y = origin.y + u * right.y + v * down.y;
      sample(image, x, y, rgb, (row * width + column) * 3);
    }
  }
  return { width, height, rgb };
}

/** Bilinear scaling to `width` by `height` pixels. */
export function resize(image: Image, width: number, height: number): Image {
  return warp(image, width, height, { x: 0, y: 0 }, { x: image.width, y: 0 }, { x: 0, y: image.height });
}

/** The rotated rectangle, upright and scaled to `width` by `height` pixels, in one bilinear step. */
export function crop(image: Image, rectangle: Rectangle, width: number, height: number): Image {
  const { centre, along, length, thickness } = rectangle;
  const right = { x: along.x * length, y: along.y * length };
  const down = { x: -along.y * thickness, y: along.x * thickness };
  const origin = { x: centre.x - (right.x + down.x) / 2, y: centre.y - (right.y + down.y) / 2 };
  return warp(image, width, height, origin, right, down);
}

/** The picture turned by half a turn. */
export function turnHalf(image: Image): Image {
  const { width, height, rgb } = image;
  const turned = new Uint8Array(rgb.length);
  const last = width * height - 1;
  for (let pixel = 0; pixel <= last; pixel += 1) {
    turned.set(rgb.subarray(pixel * 3, pixel * 3 + 3), (last - pixel) * 3);
  }
  return { width, height, rgb: turned };
}

/** How a network wants its colours: (byte / 255 - mean) / deviation for blue, green and red, in this order. */
export interface Normalization {
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

/**
 * The network's input, float32 [1, 3, height, paddedWidth], planes in the order blue, green, red (PaddleOCR's networks
 * are trained on pictures in OpenCV's order). Columns beyond the picture are 0, as in PaddleOCR.
 */
export function toTensor(image: Image, { mean, deviation }: Normalization, paddedWidth = image.width): Float32Array {
  const { width, height, rgb } = image;
  const tensor = new Float32Array(3 * height * paddedWidth);
  for (let plane = 0; plane < 3; plane += 1) {
    const channel = 2 - plane;
    const shift = mean[plane] ?? 0;
    const scale = deviation[plane] ?? 1;
    for (let row = 0; row < height; row += 1) {
      const target = (plane * height + row) * paddedWidth;
      for (let column = 0; column < width; column += 1) {
        tensor[target + column] = ((rgb[(row * width + column) * 3 + channel] ?? 0) / 255 - shift) / scale;
      }
    }
  }
  return tensor;
}

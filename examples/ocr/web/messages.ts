// What the page and its worker say to each other.

import type { Line } from "../read.js";

/** To the worker: read these RGBA bytes. */
export interface Question {
  readonly width: number;
  readonly height: number;
  readonly rgba: Uint8ClampedArray;
}

/** From the worker: the networks are loaded, a picture was read, or something failed. */
export type Answer =
  | { readonly kind: "ready" }
  | { readonly kind: "lines"; readonly lines: readonly Line[]; readonly milliseconds: number }
  | { readonly kind: "failed"; readonly message: string };

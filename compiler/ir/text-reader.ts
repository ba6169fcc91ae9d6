// What an attribute kind needs from the parser of the text form.

import type { Dim } from "./dim.js";
import type { DType } from "./dtype.js";
import type { Tensor } from "./tensor.js";

export interface AttrReader {
  int(): number;
  float(): number;
  bool(): boolean;
  string(): string;
  dim(): Dim;
  dtype(): DType;
  tensor(): Tensor;
  word<W extends string>(words: readonly W[]): W;
  /** `[item, item, ...]` */
  list<T>(item: () => T): T[];
}

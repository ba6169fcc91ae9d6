// map: every output element is an expression of the inputs at one position.

import { mergeAxes, storeNest } from "../nest.js";
import type { Frame } from "../frame.js";
import { ravel } from "../../../compiler/schedule/views.js";
import type { Stmt } from "../stmt.js";

export function lowerMap({ pool, reader, output, buffer }: Frame): Stmt[] {
  const { shape, dtype } = output.type;
  const read = (position: Parameters<typeof ravel>[0]) => reader.at(output, position);
  const nest = mergeAxes(pool, shape, "i", read);
  return storeNest(pool, nest, buffer(output), dtype, (p) => ravel(p, shape), read(nest.position));
}

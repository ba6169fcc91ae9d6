// The strings that this process has met: str tensors of the command line have their numbers from here.

import { createHash } from "node:crypto";
import { StringTable } from "../../ir/strings.js";
import type { Tensor } from "../../ir/tensor.js";

export const texts = new StringTable();

/** SHA-256 of what a tensor holds, hex: of its bytes, or of its strings as a JSON list. */
export function digestOfElements(t: Tensor): string {
  const content = t.dtype === "str" ? JSON.stringify(texts.stringsOf(t)) : t.bytes;
  return createHash("sha256").update(content).digest("hex");
}

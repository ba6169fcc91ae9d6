// Why a row has no figure, in one line.

import { Refused } from "../../compiler/ir/errors.js";

export function firstLine(e: unknown): string {
  if (e instanceof Refused) return `refused: ${e.refusals.map((r) => `${r.code} ${r.subject}`).join("; ")}`;
  return `failed: ${e instanceof Error ? (e.message.split("\n")[0] ?? "") : String(e)}`;
}

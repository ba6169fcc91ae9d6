// What the compiler says when it cannot go on. A Refusal is a value about the user's model: it is collected, so that
// all of a model's refusals are seen at once, and thrown only inside a Refused. A Bug is about us.

export type RefusalCode =
  | "unsupported_op"
  | "unsupported_dtype"
  | "unsupported_gradient"
  | "unsupported_layout"
  | "unsupported_shape"
  | "unsupported_backend_capability"
  | "serialization_incompatibility"
  | "malformed_input"
  | "resource_limit"
  | "digest_mismatch"
  | "sandbox_policy_denied"
  | "topology_mismatch";

export interface Refusal {
  readonly code: RefusalCode;
  /** Which stage or target refuses: "onnx", "trace", "schedule", "wasm", ... */
  readonly scope: string;
  /** What it is about: an op, a dtype, an input's name. */
  readonly subject: string;
  /** Have and want, in a sentence. */
  readonly detail: string;
  /** Where: `node "conv_12" (Conv, opset 11)`, a file and offset, a user's file:line. */
  readonly at: string;
  /** What to do next. */
  readonly hint: string;
}

export function formatRefusal(r: Refusal): string {
  const hint = r.hint === "" ? "" : `\n  hint: ${r.hint}`;
  return `${r.code}: ${r.at === "" ? "" : `${r.at}: `}${r.detail}${hint}`;
}

/** Carries every refusal that a stage collected. */
export class Refused extends Error {
  override readonly name = "Refused";
  readonly refusals: readonly Refusal[];
  constructor(refusals: readonly Refusal[]) {
    super(refusals.map(formatRefusal).join("\n"));
    this.refusals = refusals;
  }
}

export function refuse(r: Refusal): never {
  throw new Refused([r]);
}

/** A broken promise of the compiler itself: names the pass or stage and carries the IR before it. */
export class Bug extends Error {
  override readonly name = "Bug";
  readonly stage: string;
  readonly ir: string;
  constructor(stage: string, message: string, ir = "") {
    super(`${stage}: ${message}`);
    this.stage = stage;
    this.ir = ir;
  }
}

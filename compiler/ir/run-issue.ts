// What goes wrong while a graph runs on the reference: a typed error that says have and want. Compiled plans report the
// same codes.

export type RunIssueCode =
  | "index_out_of_range"
  | "size_mismatch"
  | "symbol_out_of_range"
  | "symbol_unbound"
  | "constraint_violated"
  | "unsupported_dtype";

export class RunIssue extends Error {
  override readonly name = "RunIssue";
  readonly code: RunIssueCode;
  /** Where: the node, as `op #id`; empty until the interpreter adds it. */
  at = "";
  constructor(code: RunIssueCode, detail: string) {
    super(detail);
    this.code = code;
  }

  /** The same issue pinned to a node; the innermost place wins. */
  pinned(at: string): this {
    if (this.at === "") {
      this.at = at;
      this.message = `${at}: ${this.message}`;
    }
    return this;
  }
}

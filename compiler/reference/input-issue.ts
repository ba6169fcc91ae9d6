// What is wrong with the tensors that a caller passes in: said before anything runs.

export type InputIssueCode =
  | "missing_input"
  | "unknown_input"
  | "dtype_mismatch"
  | "rank_mismatch"
  | "size_mismatch"
  | "symbol_out_of_range"
  | "symbol_unbound";

export class InputIssue extends Error {
  override readonly name = "InputIssue";
  readonly code: InputIssueCode;
  /** The input or state slot. */
  readonly input: string;
  constructor(code: InputIssueCode, input: string, detail: string) {
    super(detail);
    this.code = code;
    this.input = input;
  }
}

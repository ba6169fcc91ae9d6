// The text of one LLVM function while it is written: instructions in order, names that are used once, blocks, and the
// registers (stack slots of the entry block, which LLVM turns into values).

export class FunctionText {
  readonly #lines: string[] = [];
  readonly #slots: string[] = [];
  /** Functions that the text calls, by their declaration. */
  readonly declarations: Set<string>;
  #names = 0;

  constructor(declarations: Set<string>) {
    this.declarations = declarations;
  }

  fresh(prefix = "t"): string {
    return `${prefix}${this.#names++}`;
  }

  /** An instruction without a result. */
  line(text: string): void {
    this.#lines.push(`  ${text}`);
  }

  /** An instruction with a result; returns its name. */
  value(text: string): string {
    const name = `%${this.fresh()}`;
    this.#lines.push(`  ${name} = ${text}`);
    return name;
  }

  block(label: string): void {
    this.#lines.push(`${label}:`);
  }

  jump(label: string): void {
    this.line(`br label %${label}`);
  }

  branch(condition: string, yes: string, no: string): void {
    this.line(`br i1 ${condition}, label %${yes}, label %${no}`);
  }

  /** One of two bodies, and what follows both. */
  either(condition: string, yes: () => void, no: () => void): void {
    const [then, otherwise, after] = [this.fresh("then"), this.fresh("else"), this.fresh("after")];
    this.branch(condition, then, otherwise);
    for (const [label, body] of [
      [then, yes],
      [otherwise, no],
    ] as const) {
      this.block(label);
      body();
      this.jump(after);
    }
    this.block(after);
  }

  /** A register; returns the pointer to it. */
  slot(type: string): string {
    const name = `%${this.fresh("r")}`;
    this.#slots.push(`  ${name} = alloca ${type}`);
    return name;
  }

  /** A call of an intrinsic or a function of the module's runtime. */
  call(result: string, name: string, args: readonly { readonly type: string; readonly text: string }[]): string {
    this.declarations.add(`declare ${result} @${name}(${args.map((a) => a.type).join(", ")})`);
    return this.value(`call ${result} @${name}(${args.map((a) => `${a.type} ${a.text}`).join(", ")})`);
  }

  body(): string {
    return ["entry:", ...this.#slots, ...this.#lines].join("\n");
  }
}

/** A global's name as LLVM reads it. */
export function globalName(name: string): string {
  const plain = /^[\x20-\x7e]$/u;
  const bytes = [...new TextEncoder().encode(name)];
  const text = bytes.map((b) => {
    const c = String.fromCharCode(b);
    return plain.test(c) && c !== '"' && c !== "\\" ? c : `\\${b.toString(16).padStart(2, "0")}`;
  });
  return `"${text.join("")}"`;
}

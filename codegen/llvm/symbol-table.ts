// Places of the run's symbols in the frame that an entry point gives every kernel: i32 values, after the note of failed
// checks, in the order in which the code first names them.

export class SymbolTable {
  readonly #indices = new Map<string, number>();

  indexOf(name: string): number {
    const found = this.#indices.get(name);
    if (found !== undefined) return found;
    this.#indices.set(name, this.#indices.size + 1);
    return this.#indices.size;
  }

  /** i32 values of a frame. */
  get length(): number {
    return this.#indices.size + 1;
  }
}

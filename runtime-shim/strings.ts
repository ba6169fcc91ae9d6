// Strings at the border. In memory a string is an i32: its place in the manifest's list, or for one that is not there a
// place behind the list, which it has for one run. Equal strings have equal places and only they.

import { RunError } from "./errors.js";

export class StringTable {
  readonly #strings: string[];
  readonly #places: Map<string, number>;
  readonly #known: number;

  constructor(known: readonly string[]) {
    this.#strings = [...known];
    this.#places = new Map(known.map((s, i) => [s, i]));
    this.#known = known.length;
  }

  /** Forgets what the last run brought. */
  reset(): void {
    for (const s of this.#strings.splice(this.#known)) this.#places.delete(s);
  }

  place(s: string): number {
    let place = this.#places.get(s);
    if (place === undefined) {
      place = this.#strings.push(s) - 1;
      this.#places.set(s, place);
    }
    return place;
  }

  /** The strings at these places. Throws RunError where a module made up a place. */
  at(places: Iterable<number | bigint>): string[] {
    return Array.from(places, (place) => {
      const s = this.#strings[Number(place)];
      if (s === undefined) throw new RunError("index_out_of_range", `an output names string ${place}, which is none`);
      return s;
    });
  }
}

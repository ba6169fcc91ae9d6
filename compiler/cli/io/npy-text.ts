// numpy's fixed-width strings (<U8): UTF-32 code points, little-endian, zeros after the last. A string that ends in U+0000
// has no such form.

/** Strings of `width` bytes each. Throws RangeError where a unit is no code point. */
export function decodeText(bytes: Uint8Array, count: number, width: number): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, i) => {
    const points: number[] = [];
    for (let at = i * width; at < (i + 1) * width; at += 4) points.push(view.getUint32(at, true));
    while (points.at(-1) === 0) points.pop();
    const wrong = points.find((p) => p > 0x10ffff);
    if (wrong !== undefined) throw new RangeError(`string ${i} has the code point ${wrong}, which Unicode has not`);
    return points.map((p) => String.fromCodePoint(p)).join("");
  });
}

/** Throws RangeError where zeros at a string's end would be lost. */
export function encodeText(strings: readonly string[]): { readonly descr: string; readonly bytes: Uint8Array } {
  const points = strings.map((s) => Array.from(s, (c) => c.codePointAt(0) ?? 0));
  const longest = points.reduce((most, p) => Math.max(most, p.length), 1);
  const out = new DataView(new ArrayBuffer(strings.length * longest * 4));
  for (const [i, list] of points.entries()) {
    if (list.at(-1) === 0) throw new RangeError(`string ${i} ends in U+0000, which .npy drops; write .json`);
    for (const [k, p] of list.entries()) out.setUint32((i * longest + k) * 4, p, true);
  }
  return { descr: `<U${longest}`, bytes: new Uint8Array(out.buffer) };
}

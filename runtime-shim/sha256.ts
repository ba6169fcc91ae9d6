// SHA-256 (FIPS 180-4): by Node's own, by WebCrypto where there is one, else here. Insecure contexts (http pages that are not
// on localhost) have no crypto.subtle; Node's would copy the bytes.

import { toHex } from "./manifest.js";

const inNode = typeof process === "object" && process.getBuiltinModule !== undefined;

/** Lower-case hex digest. The bytes may change once this has returned its promise. `byNode`: by Node's own. */
export async function sha256(bytes: Uint8Array<ArrayBuffer>, byNode = inNode): Promise<string> {
  if (byNode) return process.getBuiltinModule("node:crypto").createHash("sha256").update(bytes).digest("hex");
  const subtle = globalThis.crypto?.subtle;
  return toHex(subtle === undefined ? sha256Here(bytes) : new Uint8Array(await subtle.digest("SHA-256", bytes)));
}

/** First 32 bits of the fractional parts of the n-th roots (square or cube) of the first primes. */
function fractions(count: number, power: number): Uint32Array {
  const found: number[] = [];
  for (let n = 2; found.length < count; n++) {
    let isPrime = true;
    for (let d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false;
    if (isPrime) found.push((n ** power % 1) * 2 ** 32);
  }
  return Uint32Array.from(found, Math.floor);
}

let constants: { readonly k: Uint32Array; readonly start: Uint32Array } | undefined;

export function sha256Here(bytes: Uint8Array): Uint8Array {
  constants ??= { k: fractions(64, 1 / 3), start: fractions(8, 1 / 2) };
  const { k, start } = constants;
  const state = start.slice();
  const w = new Uint32Array(64);
  const whole = bytes.length - (bytes.length % 64);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < whole; at += 64) compress(state, w, k, view, at);

  const rest = bytes.length - whole;
  const tail = new Uint8Array(rest < 56 ? 64 : 128);
  tail.set(bytes.subarray(whole));
  tail[rest] = 0x80;
  const last = new DataView(tail.buffer);
  last.setUint32(tail.length - 8, Math.floor(bytes.length / 2 ** 29));
  last.setUint32(tail.length - 4, (bytes.length % 2 ** 29) * 8);
  for (let at = 0; at < tail.length; at += 64) compress(state, w, k, last, at);

  const out = new DataView(new ArrayBuffer(32));
  for (const [i, word] of state.entries()) out.setUint32(i * 4, word);
  return new Uint8Array(out.buffer);
}

function compress(state: Uint32Array, w: Uint32Array, k: Uint32Array, block: DataView, at: number): void {
  for (let i = 0; i < 16; i++) w[i] = block.getUint32(at + i * 4);
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15] ?? 0;
    const y = w[i - 2] ?? 0;
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[i] = (w[i - 16] ?? 0) + s0 + (w[i - 7] ?? 0) + s1;
  }
  let a = state[0] ?? 0;
  let b = state[1] ?? 0;
  let c = state[2] ?? 0;
  let d = state[3] ?? 0;
  let e = state[4] ?? 0;
  let f = state[5] ?? 0;
  let g = state[6] ?? 0;
  let h = state[7] ?? 0;
  for (let i = 0; i < 64; i++) {
    const big1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + big1 + ((e & f) ^ (~e & g)) + (k[i] ?? 0) + (w[i] ?? 0)) | 0;
    const big0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] = (state[0] ?? 0) + a;
  state[1] = (state[1] ?? 0) + b;
  state[2] = (state[2] ?? 0) + c;
  state[3] = (state[3] ?? 0) + d;
  state[4] = (state[4] ?? 0) + e;
  state[5] = (state[5] ?? 0) + f;
  state[6] = (state[6] ?? 0) + g;
  state[7] = (state[7] ?? 0) + h;
}

function rotate(x: number, by: number): number {
  return (x >>> by) | (x << (32 - by));
}

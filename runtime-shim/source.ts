// Where a bundle's bytes come from, as one forward stream: bytes in memory, a response, a stream, a URL or (in Node) a
// file. Nothing is buffered beyond the piece that the source gave; a source that ends early or goes on is told apart.

import { LoadError, show } from "./errors.js";
import { malformed } from "./json.js";

export type BundleSource = string | URL | Uint8Array | ArrayBuffer | Response | ReadableStream<Uint8Array>;

export interface ByteStream {
  /** Total bytes where the source knows them. */
  readonly size: number | null;
  /** Fills `into`, or throws a LoadError that names `where` if the source ends first. */
  fill(into: Uint8Array, where: string): Promise<void>;
  /** True when no byte is left. */
  atEnd(): Promise<boolean>;
  /** Lets the source go, whatever is left of it. */
  close(): Promise<void>;
}

interface Pieces {
  readonly size: number | null;
  next(): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

export async function openSource(source: BundleSource, signal: AbortSignal | undefined): Promise<ByteStream> {
  signal?.throwIfAborted();
  return streamOf(await piecesOf(source, signal), signal);
}

function streamOf(pieces: Pieces, signal: AbortSignal | undefined): ByteStream {
  let piece: Uint8Array = new Uint8Array(0);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    signal?.removeEventListener("abort", close);
    closed ??= pieces.close().catch(() => {});
    return closed;
  };
  // A source that gives nothing more must not keep an aborted load waiting.
  signal?.addEventListener("abort", close);
  const more = async (): Promise<boolean> => {
    while (piece.length === 0) {
      signal?.throwIfAborted();
      const next = await pieces.next().catch((error: unknown) => {
        signal?.throwIfAborted();
        throw error;
      });
      signal?.throwIfAborted();
      if (next === null) return false;
      if (!(next instanceof Uint8Array)) malformed("source", `a stream of ${show(next)}`, "a stream of Uint8Array");
      piece = next;
    }
    return true;
  };
  return {
    size: pieces.size,
    async fill(into, where) {
      let done = 0;
      while (done < into.length) {
        if (!(await more())) malformed(where, `${done} bytes before the bundle ends`, `${into.length}`);
        const part = piece.subarray(0, into.length - done);
        into.set(part, done);
        piece = piece.subarray(part.length);
        done += part.length;
      }
    },
    atEnd: async () => !(await more()),
    close,
  };
}

async function piecesOf(source: BundleSource, signal: AbortSignal | undefined): Promise<Pieces> {
  if (source instanceof Uint8Array) return once(source);
  if (source instanceof ArrayBuffer) return once(new Uint8Array(source));
  if (typeof source !== "string" && !(source instanceof URL)) {
    // Asked for last: Node loads its whole fetch to answer.
    if (typeof Response !== "undefined" && source instanceof Response) return fromResponse(source);
    if (typeof ReadableStream !== "undefined" && source instanceof ReadableStream) return fromStream(source);
    malformed("source", show(source), "a URL, a path, bytes, a Response or a ReadableStream");
  }
  const file = filePath(source);
  if (file !== null) return fromFile(file);
  let response: Response;
  try {
    response = await fetch(source, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new LoadError("malformed_input", `${source}`, `no answer: ${message(error)}`, "a bundle");
  }
  return fromResponse(response);
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : `${error}`;
}

function once(bytes: Uint8Array): Pieces {
  let left: Uint8Array | null = bytes;
  return {
    size: bytes.length,
    async next() {
      const piece = left;
      left = null;
      return piece;
    },
    close: async () => {},
  };
}

function fromResponse(response: Response): Pieces {
  const where = response.url || "response";
  if (!response.ok) throw new LoadError("malformed_input", where, `HTTP status ${response.status}`, "a bundle");
  if (response.body === null) return once(new Uint8Array(0));
  if (response.bodyUsed || response.body.locked) malformed(where, "a response that was read before", "a fresh one");
  return fromStream(response.body);
}

function fromStream(stream: ReadableStream<Uint8Array>): Pieces {
  if (stream.locked) malformed("source", "a stream with another reader", "a stream of its own");
  const reader = stream.getReader();
  return {
    size: null,
    async next() {
      let read: ReadableStreamReadResult<Uint8Array>;
      try {
        read = await reader.read();
      } catch (error) {
        throw new LoadError("malformed_input", "source", `a broken stream: ${message(error)}`, "a whole bundle");
      }
      return read.done ? null : read.value;
    },
    close: () => reader.cancel(),
  };
}

// ---- files, in Node

/** A path in the file system where `source` is one: a file: URL, or in Node a string without a scheme. */
function filePath(source: string | URL): string | URL | null {
  if (fileSystem() === undefined) return null;
  if (source instanceof URL) return source.protocol === "file:" ? source : null;
  if (source.startsWith("file:")) return new URL(source);
  return /^[a-z][a-z0-9+.-]+:/i.test(source) ? null : source;
}

/** Node's fs. Asked for at run time, so that a bundler for browsers has nothing to resolve. */
function fileSystem(): typeof import("node:fs") | undefined {
  return typeof process === "object" ? process.getBuiltinModule?.("node:fs") : undefined;
}

const READ_BYTES = 1 << 20;

async function fromFile(path: string | URL): Promise<Pieces> {
  const failed = (error: unknown): never => {
    throw new LoadError("malformed_input", `${path}`, message(error), "a bundle");
  };
  const file = await fileSystem()?.promises.open(path).catch(failed);
  if (file === undefined) return failed("no file system");
  return {
    // A pipe or a device has no size to compare with.
    size: await file.stat().then((s) => (s.isFile() ? s.size : null), failed),
    async next() {
      const { bytesRead, buffer } = await file.read(new Uint8Array(READ_BYTES), 0, READ_BYTES, null).catch(failed);
      return bytesRead === 0 ? null : buffer.subarray(0, bytesRead);
    },
    close: () => file.close(),
  };
}

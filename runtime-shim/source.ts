// Where a bundle's bytes come from, as one forward stream: bytes in memory, a response, a stream, a URL or (in Node) a
// file. Nothing is buffered beyond the piece that the source gave; a source that ends early or goes on is told apart.

import { LoadError, show } from "./errors.js";
import { malformed } from "./json.js";
import { filePath, openFile } from "./source-file.js";

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

/** What gives bytes, some at a time. */
export interface Reader {
  readonly size: number | null;
  /** Writes at least one byte to the start of `into`, and says how many; 0 at the end. */
  read(into: Uint8Array): Promise<number>;
  close(): Promise<void>;
}

/** What gives bytes in pieces of its own sizes. */
interface Pieces {
  readonly size: number | null;
  next(): Promise<Uint8Array | null>;
  close(): Promise<void>;
}

export async function openSource(source: BundleSource, signal: AbortSignal | undefined): Promise<ByteStream> {
  signal?.throwIfAborted();
  return streamOf(await readerOf(source, signal), signal);
}

function streamOf(reader: Reader, signal: AbortSignal | undefined): ByteStream {
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    signal?.removeEventListener("abort", close);
    closed ??= reader.close().catch(() => {});
    return closed;
  };
  // A source that gives nothing more must not keep an aborted load waiting.
  signal?.addEventListener("abort", close);
  const read = async (into: Uint8Array): Promise<number> => {
    signal?.throwIfAborted();
    const count = await reader.read(into).catch((error: unknown) => {
      signal?.throwIfAborted();
      throw error;
    });
    signal?.throwIfAborted();
    return count;
  };
  /** A byte that atEnd() found; -1 for none. */
  let ahead = -1;
  return {
    size: reader.size,
    async fill(into, where) {
      let done = 0;
      if (ahead >= 0 && into.length > 0) {
        into[done++] = ahead;
        ahead = -1;
      }
      while (done < into.length) {
        const count = await read(into.subarray(done));
        if (count === 0) malformed(where, `${done} bytes before the bundle ends`, `${into.length}`);
        done += count;
      }
    },
    async atEnd() {
      if (ahead >= 0) return false;
      const byte = new Uint8Array(1);
      if ((await read(byte)) === 0) return true;
      [ahead = -1] = byte;
      return false;
    },
    close,
  };
}

function readPieces({ size, next, close }: Pieces): Reader {
  let piece: Uint8Array = new Uint8Array(0);
  return {
    size,
    async read(into) {
      while (piece.length === 0) {
        const found = await next();
        if (found === null) return 0;
        if (!(found instanceof Uint8Array)) malformed("source", `a stream of ${show(found)}`, "a stream of Uint8Array");
        piece = found;
      }
      const part = piece.subarray(0, into.length);
      into.set(part);
      piece = piece.subarray(part.length);
      return part.length;
    },
    close,
  };
}

async function readerOf(source: BundleSource, signal: AbortSignal | undefined): Promise<Reader> {
  if (source instanceof Uint8Array) return once(source);
  if (source instanceof ArrayBuffer) return once(new Uint8Array(source));
  if (typeof source !== "string" && !(source instanceof URL)) {
    // Asked for last: Node loads its whole fetch to answer.
    if (typeof Response !== "undefined" && source instanceof Response) return fromResponse(source);
    if (typeof ReadableStream !== "undefined" && source instanceof ReadableStream) return fromStream(source);
    malformed("source", show(source), "a URL, a path, bytes, a Response or a ReadableStream");
  }
  const file = filePath(source);
  if (file !== null) return openFile(file);
  let response: Response;
  try {
    response = await fetch(source, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw new LoadError("malformed_input", `${source}`, `no answer: ${message(error)}`, "a bundle");
  }
  return fromResponse(response);
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : `${error}`;
}

function once(bytes: Uint8Array): Reader {
  let left: Uint8Array | null = bytes;
  return readPieces({
    size: bytes.length,
    async next() {
      const piece = left;
      left = null;
      return piece;
    },
    close: async () => {},
  });
}

function fromResponse(response: Response): Reader {
  const where = response.url || "response";
  if (!response.ok) throw new LoadError("malformed_input", where, `HTTP status ${response.status}`, "a bundle");
  if (response.body === null) return once(new Uint8Array(0));
  if (response.bodyUsed || response.body.locked) malformed(where, "a response that was read before", "a fresh one");
  return fromStream(response.body);
}

function fromStream(stream: ReadableStream<Uint8Array>): Reader {
  if (stream.locked) malformed("source", "a stream with another reader", "a stream of its own");
  const reader = stream.getReader();
  return readPieces({
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
  });
}

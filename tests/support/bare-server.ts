// A web server for browser tests: serves what it is given from 127.0.0.1, under a strict Content-Security-Policy and
// with nothing else that could help a page along. Large bodies are written in pieces, so that streams are streams.

import { createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** Scripts of the same origin, WebAssembly, fetches to the same origin, and nothing else. */
export const STRICT_CSP =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'";

export interface Served {
  readonly type: string;
  readonly body: Uint8Array | string;
}

export interface BareServer {
  readonly port: number;
  /** http://127.0.0.1:port */
  readonly origin: string;
  close(): Promise<void>;
}

/** What makes a page cross-origin isolated, so that it has shared memory. */
export const ISOLATED = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
} as const;

export interface ServeOptions {
  readonly csp?: string;
  /** More headers of every answer. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly pieceBytes?: number;
}

/** Serves `files` by path ("/page.html"). Query strings are ignored; other paths are 404. */
export async function serveFiles(
  files: Readonly<Record<string, Served>>,
  { csp = STRICT_CSP, pieceBytes = 65_521, headers = {} }: ServeOptions = {},
): Promise<BareServer> {
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const file = Object.hasOwn(files, path) ? files[path] : undefined;
    if (file === undefined) {
      response.writeHead(404).end();
      return;
    }
    const body = Buffer.from(file.body);
    response.writeHead(200, {
      "content-type": file.type,
      "content-length": body.length,
      "content-security-policy": csp,
      "x-content-type-options": "nosniff",
      ...headers,
    });
    const send = (at: number): void => {
      if (at >= body.length) response.end();
      else response.write(body.subarray(at, at + pieceBytes), () => setImmediate(send, at + pieceBytes));
    };
    send(0);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

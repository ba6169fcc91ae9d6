// Serves the example page with a bundle: node dist/examples/browser/serve.js model.psn [port]
//
// The page's script is bundled once at the start. The Content-Security-Policy is as strict as the runtime allows:
// scripts of the same origin, and WebAssembly.

import { createReadStream, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { dirname, join, resolve } from "node:path";
import process, { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const folder = join(dirname(fileURLToPath(import.meta.url)), "../../../examples/browser");
const CSP = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

export interface ExampleServer {
  readonly url: string;
  close(): void;
}

/** Serves on 127.0.0.1; port 0 takes a free one. */
export async function serveExample(bundle: string, port: number): Promise<ExampleServer> {
  const { outputFiles } = await build({
    entryPoints: [join(folder, "main.ts")],
    bundle: true,
    minify: true,
    write: false,
    format: "esm",
    platform: "browser",
    logLevel: "silent",
  });
  const page = readFileSync(join(folder, "index.html"));
  const script = outputFiles[0]?.contents ?? new Uint8Array(0);
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? "/", "http://localhost").pathname;
    const reply = (type: string): typeof response =>
      response.writeHead(200, { "content-type": type, "content-security-policy": CSP });
    if (path === "/") reply("text/html; charset=utf-8").end(page);
    else if (path === "/main.js") reply("text/javascript; charset=utf-8").end(script);
    else if (path === "/model.psn") createReadStream(bundle).pipe(reply("application/octet-stream"));
    else response.writeHead(404).end();
  });
  await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
  const { port: taken } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${taken}/`,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  const [bundle, port = "8080"] = argv.slice(2);
  if (bundle === undefined || !existsSync(bundle)) {
    if (bundle !== undefined && !bundle.startsWith("-")) console.error(`no file "${bundle}"`);
    console.error("usage: node dist/examples/browser/serve.js model.psn [port]");
    process.exitCode = 2;
  } else {
    console.log(`serving ${bundle} on ${(await serveExample(resolve(bundle), Number(port))).url}`);
  }
}

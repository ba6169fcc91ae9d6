// Serves the demo's page on this machine: node dist/examples/ocr/serve.js [--port number]
//
// Everything that the page may fetch is made before the first request and held in memory, so that no request reaches
// the file system. The page's policy allows its own scripts and WebAssembly and nothing from elsewhere.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { argv } from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { compileNetworks } from "./compile.js";
import { dictionaryFile, fixture, root } from "./files.js";
import type { Bundles } from "./psionic.js";

const policy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const headers = {
  "content-security-policy": policy,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
} as const;

interface Resource {
  readonly type: string;
  readonly body: Uint8Array;
}

/** The page's scripts, by name, each in one file. */
async function bundleScripts(): Promise<Map<string, Uint8Array>> {
  const folder = join(root, "examples/ocr/web");
  const { outputFiles } = await build({
    entryPoints: { main: join(folder, "main.ts"), worker: join(folder, "worker.ts") },
    outdir: "/",
    bundle: true,
    format: "esm",
    target: "es2023",
    platform: "browser",
    minify: true,
    write: false,
  });
  return new Map(outputFiles.map(({ path, contents }) => [path.replace(/^.*[/\\]/, "/"), contents]));
}

/** Everything that is served, by path. */
async function resourcesOf(bundles: Bundles): Promise<Map<string, Resource>> {
  const fromFile = (type: string, path: string): Resource => ({ type, body: readFileSync(path) });
  const resources = new Map<string, Resource>([
    ["/", fromFile("text/html; charset=utf-8", join(root, "examples/ocr/web/index.html"))],
    ["/style.css", fromFile("text/css; charset=utf-8", join(root, "examples/ocr/web/style.css"))],
    ["/example.png", fromFile("image/png", fixture.picture)],
    ["/dictionary.txt", fromFile("text/plain; charset=utf-8", dictionaryFile)],
    ["/favicon.ico", { type: "image/x-icon", body: new Uint8Array(0) }],
  ]);
  for (const [path, body] of await bundleScripts())
    resources.set(path, { type: "text/javascript; charset=utf-8", body });
  for (const [name, body] of Object.entries(bundles)) {
    resources.set(`/bundles/${name}.psn`, { type: "application/octet-stream", body });
  }
  return resources;
}

/** The page's address, and the way to stop serving it. */
export interface Served {
  readonly url: string;
  readonly close: () => Promise<void>;
}

/** Serves the page on 127.0.0.1; port 0 takes a free one. Rejects when the port is taken. */
export async function serve(bundles: Bundles, port: number): Promise<Served> {
  const resources = await resourcesOf(bundles);
  const server = createServer((request, response) => {
    const resource = resources.get(new URL(request.url ?? "/", "http://localhost").pathname);
    if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { ...headers, allow: "GET, HEAD" }).end();
    } else if (resource === undefined) {
      response.writeHead(404, { ...headers, "content-type": "text/plain; charset=utf-8" }).end("not here\n");
    } else {
      response.writeHead(200, {
        ...headers,
        "content-type": resource.type,
        "content-length": resource.body.byteLength,
      });
      response.end(request.method === "HEAD" ? undefined : resource.body);
    }
  });
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("serve: the server has no port");
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${address.port}/`, close };
}

/** The port of a command line: 8080 unless --port names one. */
function portOf(args: string[]): number {
  const { values } = parseArgs({ args, options: { port: { type: "string", default: "8080" } } });
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65535) throw new Error(`--port is "${values.port}", want 0 to 65535`);
  return port;
}

async function main(): Promise<void> {
  const port = portOf(argv.slice(2));
  console.log("Compiling the networks");
  const { url } = await serve(await compileNetworks(), port);
  console.log(`The page is at ${url} (end with Ctrl+C)`);
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  main().catch((error: unknown) => {
    console.error(`serve: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  });
}

// What a verb loads: help, and running a bundle, start without the compiler.

import { fileURLToPath } from "node:url";
import test from "ava";
import { build } from "esbuild";

const file = (path: string): string => fileURLToPath(new URL(`../../compiler/cli/${path}`, import.meta.url));

/** Packages, and folders of the project, that a module reaches; dynamic imports count where `lazy`. */
async function reached(path: string, lazy: boolean): Promise<{ packages: string[]; folders: string[] }> {
  const { metafile } = await build({
    entryPoints: [file(path)],
    bundle: true,
    write: false,
    metafile: true,
    platform: "node",
    format: "esm",
    packages: "external",
    logLevel: "silent",
    ...(lazy
      ? {}
      : {
          plugins: [
            {
              name: "static",
              setup: (b) =>
                b.onResolve({ filter: /./ }, (a) =>
                  a.kind === "dynamic-import" ? { external: true, path: a.path } : null,
                ),
            },
          ],
        }),
  });
  const inputs = Object.keys(metafile.inputs).map((p) =>
    p.replace(/^.*dist\/(?:[^/]+\/)?(?=compiler|codegen|runtime-shim)/, ""),
  );
  const packages = Object.values(metafile.inputs).flatMap((i) =>
    i.imports.filter((x) => x.external === true && x.kind !== "dynamic-import").map((x) => x.path),
  );
  const folders = inputs.map((p) => p.split("/").slice(0, 2).join("/"));
  return {
    packages: [...new Set(packages)].filter((p) => !p.startsWith("node:")).sort(),
    folders: [...new Set(folders)].sort(),
  };
}

test("help loads commander and no part of the compiler but its errors", async (t) => {
  const { packages, folders } = await reached("main.js", false);
  t.deepEqual(packages, ["commander"]);
  t.deepEqual(
    folders.filter((f) => !["compiler/cli", "compiler/ir", "compiler/version.js"].includes(f)),
    [],
  );
});

test("run loads the runtime, and fflate for .npz", async (t) => {
  const { packages, folders } = await reached("verbs/run.js", true);
  t.deepEqual(packages, ["fflate"]);
  t.deepEqual(
    folders.filter((f) => !["compiler/cli", "compiler/ir"].includes(f) && !f.startsWith("runtime-shim/")),
    [],
  );
});

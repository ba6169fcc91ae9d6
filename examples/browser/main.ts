// The page: loads model.psn, verified while it streams, shows its signature, and runs it on zeros when asked. With
// ?digest=<plan digest> only that very plan is taken. In an application the import is from "psionic/runtime".

import { type Feed, LoadError, load, type Model, type PortInfo } from "../../runtime-shim/index.js";

function element(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no #${id}`);
  return found;
}

const portText = (p: PortInfo): string => `${p.name}: ${p.dtype}[${p.shape.join(", ")}]`;

/** Zeros for every input; a size that the caller may choose is 1. */
function zeros(model: Model): Record<string, Feed> {
  const feeds: Record<string, Feed> = {};
  for (const { name, shape } of model.inputs) {
    const sizes = shape.map((d) => (typeof d === "number" ? d : 1));
    const { length } = model.view(name);
    const elems = sizes.reduce((a, b) => a * b, 1);
    feeds[name] = {
      data: model
        .view(name)
        .fill(0 as never, 0, length)
        .subarray(0, elems),
      shape: sizes,
    };
  }
  return feeds;
}

async function main(): Promise<void> {
  const digest = new URLSearchParams(location.search).get("digest");
  const start = performance.now();
  const model = await load("model.psn", digest === null ? {} : { digest });
  element("status").textContent = `Verified and ready in ${(performance.now() - start).toFixed(0)} ms: ${model.digest}`;
  element("signature").textContent = [
    ...model.inputs.map((p) => `in   ${portText(p)}`),
    ...model.outputs.map((p) => `out  ${portText(p)}`),
  ].join("\n");
  const button = element("run");
  button.removeAttribute("disabled");
  button.addEventListener("click", async () => {
    const outputs = await model.run(zeros(model));
    element("outputs").textContent = Object.entries(outputs)
      .map(([name, t]) => `${name}: ${t.dtype}[${t.shape.join(", ")}]\n  ${t.data.slice(0, 16).join(" ")}`)
      .join("\n");
  });
}

main().catch((error: unknown) => {
  element("status").textContent = error instanceof LoadError ? error.message : `Failed: ${error}`;
});

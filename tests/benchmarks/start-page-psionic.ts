// A page with a bundle: load it, run it once.

import { load } from "../../runtime-shim/index.js";
import { report } from "./start-page.js";

await report(async (inputs, output) => {
  const model = await load("/model.psn");
  const known = inputs.filter((i) => model.inputs.some((p) => p.name === i.name));
  const outputs = await model.run(Object.fromEntries(known.map(({ name, data, shape }) => [name, { data, shape }])));
  return outputs[output]?.data;
});

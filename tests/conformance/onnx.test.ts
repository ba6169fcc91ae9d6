// The ONNX backend suite and the whole networks, on the reference interpreter and on every target: how many cases pass
// is a floor that may only rise; none may fail. Refusals are typed and may only shrink.

import test from "ava";
import type { Verdict } from "../support/onnx-judge.js";
import { suiteFolder } from "../support/suites.js";
import { casesIn, runTasks } from "./run.js";

const SUITE_FLOOR = 1366;

function failures(verdicts: ReadonlyMap<string, Verdict>): string[] {
  return [...verdicts].filter(([, v]) => v.status === "failed").map(([id, v]) => `${id}: ${v.detail.slice(0, 300)}`);
}

const suite = suiteFolder("onnx");
const networks = suiteFolder("onnx-models");

for (const target of ["reference", "wasm"]) {
  (suite === null ? test.skip : test.serial)(`the backend suite passes on ${target}`, async (t) => {
    t.timeout(3_600_000);
    const verdicts = await runTasks(target, casesIn(suite ?? ""), 2);
    t.deepEqual(failures(verdicts), []);
    const passed = [...verdicts.values()].filter((v) => v.status === "passed").length;
    t.true(passed >= SUITE_FLOOR, `${passed} pass, ${SUITE_FLOOR} did before`);
  });

  (networks === null ? test.skip : test.serial)(`whole networks give PyTorch's values on ${target}`, async (t) => {
    t.timeout(600_000);
    const verdicts = await runTasks(target, casesIn(networks ?? ""), 2);
    t.deepEqual(
      [...verdicts].filter(([, v]) => v.status !== "passed"),
      [],
    );
    t.true(verdicts.size >= 11);
  });
}

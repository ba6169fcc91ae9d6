// The ONNX backend suite and the whole networks, on the reference interpreter: how many cases pass is a floor that may only
// rise; none may fail. Refusals are typed and may only shrink.

import test from "ava";
import type { Verdict } from "../support/onnx-judge.js";
import { suiteFolder } from "../support/suites.js";
import { casesIn, runTasks } from "./run.js";

const SUITE_FLOOR = 1363;

function failures(verdicts: ReadonlyMap<string, Verdict>): string[] {
  return [...verdicts].filter(([, v]) => v.status === "failed").map(([id, v]) => `${id}: ${v.detail.slice(0, 300)}`);
}

const suite = suiteFolder("onnx");
const networks = suiteFolder("onnx-models");

(suite === null ? test.skip : test)("the backend suite passes on the reference", async (t) => {
  t.timeout(3_600_000);
  const verdicts = await runTasks("reference", casesIn(suite ?? ""), 2);
  t.deepEqual(failures(verdicts), []);
  const passed = [...verdicts.values()].filter((v) => v.status === "passed").length;
  t.true(passed >= SUITE_FLOOR, `${passed} pass, ${SUITE_FLOOR} did before`);
});

(networks === null ? test.skip : test)("whole networks give PyTorch's values on the reference", async (t) => {
  t.timeout(600_000);
  const verdicts = await runTasks("reference", casesIn(networks ?? ""), 2);
  t.deepEqual(
    [...verdicts].filter(([, v]) => v.status !== "passed"),
    [],
  );
  t.true(verdicts.size >= 11);
});

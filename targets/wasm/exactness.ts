// What each tier's results were seen to differ by from exact ones: the greatest error of an output's element, relative
// to the output's largest magnitude, over the networks that tests/benchmarks/exactness.ts measures, rounded up. A tier
// whose error on those networks is greater fails the tests.

import type { Tier } from "../../compiler/plan/plan.js";

export const MEASURED_ERROR: Readonly<Record<Tier, number>> = { strict: 1e-5, relaxed: 2e-5 };

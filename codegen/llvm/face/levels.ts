// The code of each level of CPUs, as the face calls it: functions of other objects of the library.

import { globalName } from "../text.js";
import { global, type Ptr } from "./code.js";
import type { FaceModel, FaceModule } from "./module.js";
import { entryOf } from "./tables.js";

/** The entry: (memory, weights, first step, step behind the last, i32 values of its symbols, pool) -> status */
export const ENTRY = { result: "i32", params: ["ptr", "ptr", "i32", "i32", "ptr", "ptr"] } as const;
/** (threads) -> pool, or null */
export const NEW_POOL = { result: "ptr", params: ["i32"] } as const;
export const END_POOL = { result: "void", params: ["ptr"] } as const;

function functionsOf({ plan, threads }: Pick<FaceModel, "plan" | "threads">) {
  const entry = { name: entryOf(plan).export, ...ENTRY };
  const pool = [
    { name: "psn_pool_new", ...NEW_POOL },
    { name: "psn_pool_free", ...END_POOL },
  ] as const;
  return threads ? [entry, ...pool] : [entry];
}

export function levelDeclarations(model: FaceModel): readonly string[] {
  return model.levels.flatMap(({ suffix }) =>
    functionsOf(model).map(
      ({ name, result, params }) => `declare hidden ${result} @${globalName(`${name}${suffix}`)}(${params.join(", ")})`,
    ),
  );
}

/** Tables of pointers, a level's in each place; null where the code has no pool. */
export function levelTables({ data, model }: FaceModule): {
  readonly entries: Ptr;
  readonly pools: { readonly start: Ptr; readonly end: Ptr } | null;
} {
  const [entry, start, end] = functionsOf(model);
  const table = (at: string, name: string | undefined): Ptr =>
    data.pointers(
      at,
      model.levels.map(({ suffix }) => global(globalName(`${name}${suffix}`))),
    );
  const pools =
    start === undefined ? null : { start: table("new_pool", start.name), end: table("end_pool", end?.name) };
  return { entries: table("entries", entry?.name), pools };
}

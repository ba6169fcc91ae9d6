// A model's C face as one LLVM module: all functions of the header, and the constant data that they read. It names no
// machine; the entries' code is in other objects of the library.

import { HELPERS } from "../module.js";
import { writeArguments } from "./arguments.js";
import { writeCpu } from "./cpu.js";
import { levelDeclarations } from "./levels.js";
import { writeLoad } from "./load.js";
import { type FaceModel, FaceModule } from "./module.js";
import { writePlaces } from "./places.js";
import { writeQueries } from "./query.js";
import { writeRun } from "./run.js";
import { writeSha256 } from "./sha256.js";
import { writeSha256Instructions } from "./sha256-instructions.js";
import { writeShapes } from "./shapes.js";
import { writeTables } from "./tables.js";

/** Throws Refused where a text of the model cannot be one of C. */
export function faceText(model: FaceModel): string {
  const module = new FaceModule(model);
  const tables = writeTables(module.data, model.plan);
  writeQueries(module, tables);
  writeShapes(module, tables);
  writeSha256(module);
  writeSha256Instructions(module);
  writeCpu(module);
  writeLoad(module);
  writeArguments(module, tables);
  writeRun(module, tables);
  writePlaces(module, tables);
  return [
    ...module.lines,
    ...levelDeclarations(model),
    HELPERS,
    "attributes #1 = { nounwind }",
    "attributes #2 = { nounwind alwaysinline }",
    "",
  ].join("\n");
}

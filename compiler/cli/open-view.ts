// A bundle's file to a BundleView: every digest is recomputed before anything is shown.

import { type Bundle, openBundle } from "../../codegen/bundle/read.js";
import { LoadError, type Manifest } from "../../runtime-shim/format.js";
import type { Plan } from "../plan/plan.js";
import type { BundleView } from "./bundle-view.js";
import { messageOf } from "./failures.js";
import { readBytes } from "./io/files.js";
import { isPlan } from "./plan-shape.js";

/** Throws a CliError where the file cannot be read, and a LoadError where it is no valid bundle. */
export function openView(path: string): BundleView {
  return viewOf(path, readBytes(path, "bundle"));
}

/** Throws LoadError, also for a bundle that was stripped. */
export function viewOf(path: string, bytes: Uint8Array, bundle: Bundle = openBundle(bytes)): BundleView {
  const { manifest } = bundle;
  if (bundle.isStripped)
    throw new LoadError(
      "malformed_input",
      path,
      "a bundle stripped of its plan and texts",
      "them",
      "use the whole bundle",
    );
  return {
    path,
    bytes,
    digest: bundle.digest,
    manifest,
    plan: planOf(bundle.text("plan"), manifest),
    source: bundle.text("source"),
    functional: bundle.text("functional"),
    schedule: bundle.text("schedule"),
    modules: manifest.modules.flatMap((_, i) => bundle.blob("module", i) ?? []),
    weights: bundle.weights(),
  };
}

function planOf(text: string | null, manifest: Manifest): Plan {
  if (text === null)
    throw new LoadError("malformed_input", "bundle", "no plan", "a plan blob", "compile the model again");
  let plan: unknown;
  try {
    plan = JSON.parse(text);
  } catch (e) {
    throw new LoadError("malformed_input", "plan", messageOf(e), "JSON");
  }
  if (isPlan(plan)) return plan;
  throw new LoadError(
    "malformed_input",
    "plan",
    "JSON that lacks fields of a plan",
    "a plan of this version",
    `it was written by ${manifest.producer}; compile the model again`,
  );
}

// Sizes of a model's inputs: numbers from the model, and for its dynamic dimensions what the caller asks for. A dynamic
// dimension is addressed by its own name (`dim_param`), as `<input>.<axis>`, or by its role (`batch`, `height`, `width`
// of a rank-4 input; `batch` of any other) where no dimension has that name itself. One whose name is an expression of
// others (`past + sequence`) follows from them where it is not given itself.

import { type Dim, mul, sym } from "../../ir/dim.js";
import { DimSyntaxError, parseDim } from "../../ir/dim-text.js";
import { type DType, isDType } from "../../ir/dtype.js";
import type { Refusal } from "../../ir/errors.js";
import { sizeIssue } from "../../ir/types.js";
import type { ValueInfoProto } from "./proto.js";
import type { Session } from "./session.js";
import { dtypeOf } from "./tensor-data.js";

/** A fixed size, or a range: then the dimension is `step` times a symbol. */
export type DimSpec = number | { readonly lo: number; readonly hi: number; readonly step?: number };

export interface InputType {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly Dim[];
}

interface Slot {
  readonly input: string;
  readonly axis: number;
  readonly rank: number;
  /** Dimensions of one `dim_param` share this. */
  readonly name: string;
}

/** The types of a model's inputs. Refusals are collected in the session; such an input is left out. */
export function inputTypes(
  session: Session,
  inputs: readonly ValueInfoProto[],
  specs: Readonly<Record<string, DimSpec>>,
): (InputType | null)[] {
  const slots: Slot[] = [];
  for (const info of inputs)
    for (const [axis, d] of (info.type?.tensorType?.shape?.dim ?? []).entries()) {
      if (d.dimValue !== undefined && d.dimValue >= 0n) continue;
      const input = info.name ?? "";
      const name = d.dimParam === undefined || d.dimParam === "" ? `${input}.${axis}` : d.dimParam;
      slots.push({ input, axis, rank: info.type?.tensorType?.shape?.dim.length ?? 0, name });
    }
  const chosen = choose(session, slots, specs);
  return inputs.map((info) => inputType(session, info, chosen));
}

function choose(session: Session, slots: readonly Slot[], specs: Readonly<Record<string, DimSpec>>): Map<string, Dim> {
  const chosen = new Map<string, Dim>();
  const names = new Set(slots.map((s) => s.name));
  for (const [key, spec] of Object.entries(specs)) {
    const targets = addressed(slots, names, key);
    if (targets.size === 0) {
      const have = [...names].map((n) => JSON.stringify(n)).join(", ");
      session.refusals.push(
        dimRefusal(
          key,
          `the model has no dynamic dimension "${key}"`,
          session.file,
          have === "" ? "its dimensions are all fixed" : `it has ${have}`,
        ),
      );
    }
    for (const name of targets) {
      const dim = dimOf(session, name, key, spec);
      const before = chosen.get(name);
      if (dim === null) continue;
      if (before !== undefined && before !== dim)
        session.refusals.push(
          dimRefusal(name, `dimension "${name}" is given twice, with different sizes`, session.file, ""),
        );
      chosen.set(name, dim);
    }
  }
  for (const slot of slots) {
    if (chosen.has(slot.name) || slot.axis !== 0) continue;
    chosen.set(slot.name, 1);
    session.notes.push(`dimension "${slot.name}" (axis 0 of input "${slot.input}") was not given and is 1`);
  }
  return chosen;
}

function addressed(slots: readonly Slot[], names: ReadonlySet<string>, key: string): Set<string> {
  if (names.has(key)) return new Set([key]);
  const exact = slots.filter((s) => `${s.input}.${s.axis}` === key);
  const role = exact.length > 0 ? exact : slots.filter((s) => roleOf(s) === key);
  return new Set(role.map((s) => s.name));
}

function roleOf(s: Slot): string | null {
  if (s.axis === 0) return "batch";
  if (s.rank !== 4) return null;
  return s.axis === 2 ? "height" : s.axis === 3 ? "width" : null;
}

/** The size that a name says as an expression of other names, at least one, all of which are known. */
function derived(name: string, chosen: ReadonlyMap<string, Dim>): Dim | undefined {
  let mentioned = false;
  try {
    const dim = parseDim(name, (part) => {
      mentioned = true;
      return chosen.get(part);
    });
    return mentioned ? dim : undefined;
  } catch (e) {
    if (e instanceof DimSyntaxError || e instanceof RangeError) return undefined;
    throw e;
  }
}

function dimOf(session: Session, name: string, key: string, spec: DimSpec): Dim | null {
  const bad = (detail: string): null => {
    session.refusals.push(
      dimRefusal(name, `dimension "${key}": ${detail}`, session.file, "give a size, or a range lo..hi"),
    );
    return null;
  };
  const natural = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;
  if (typeof spec === "number") return natural(spec) ? spec : bad(`${spec} is no size`);
  const { lo, hi, step = 1 } = spec;
  if (!natural(lo) || !natural(hi) || lo > hi) return bad(`${lo}..${hi} is no range of sizes`);
  if (!natural(step) || step < 1) return bad(`${step} is no step`);
  const low = Math.ceil(lo / step);
  const high = Math.floor(hi / step);
  if (low > high) return bad(`no multiple of ${step} is in ${lo}..${hi}`);
  return low === high ? low * step : mul(step, sym(name, low, high));
}

function inputType(session: Session, info: ValueInfoProto, chosen: ReadonlyMap<string, Dim>): InputType | null {
  const name = info.name ?? "";
  const at = `input "${name}"`;
  const refuse = (code: Refusal["code"], detail: string, hint = ""): null => {
    session.refusals.push({ code, scope: "onnx", subject: name, detail, at, hint });
    return null;
  };
  const type = info.type?.tensorType;
  if (type === undefined) {
    const what =
      info.type?.sequenceType !== undefined
        ? "a sequence"
        : info.type?.optionalType !== undefined
          ? "an optional"
          : "no tensor";
    return refuse(
      "unsupported_layout",
      `takes ${what}, whose structure was not given`,
      "give the structure of this input, or export the model with tensor inputs",
    );
  }
  const dtype = dtypeOf(type.elemType ?? 0);
  if (dtype === null || !isDType(dtype))
    return refuse("malformed_input", `has data type ${type.elemType ?? 0}, which ONNX has not`);
  if (dtype === "c64" || dtype === "c128") return refuse("unsupported_dtype", `takes ${dtype} elements`);
  if (type.shape === undefined)
    return refuse("unsupported_shape", "has no declared rank", "export the model with shapes");
  const shape: Dim[] = [];
  let missing = false;
  for (const [axis, d] of type.shape.dim.entries()) {
    if (d.dimValue !== undefined && d.dimValue >= 0n) {
      if (d.dimValue > BigInt(Number.MAX_SAFE_INTEGER))
        return refuse("malformed_input", `axis ${axis} has size ${d.dimValue}`);
      shape.push(Number(d.dimValue));
      continue;
    }
    const key = d.dimParam === undefined || d.dimParam === "" ? `${name}.${axis}` : d.dimParam;
    const dim = chosen.get(key) ?? derived(key, chosen);
    if (dim === undefined) {
      missing = true;
      refuse(
        "unsupported_shape",
        `axis ${axis} ("${key}") is dynamic and no size was given`,
        `--dim ${key}=<size> or --dim ${key}=<lo>..<hi>`,
      );
    } else shape.push(dim);
  }
  if (missing) return null;
  const issue = sizeIssue({ dtype, shape });
  return issue === null ? { name, dtype, shape } : refuse("resource_limit", issue);
}

function dimRefusal(subject: string, detail: string, at: string, hint: string): Refusal {
  return { code: "unsupported_shape", scope: "onnx", subject, detail, at, hint };
}

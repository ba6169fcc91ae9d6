// Changes of an ONNX model that keep it a protobuf message: fields of other types, names that close cycles or lead
// nowhere, ranks and sizes that lie, data in files elsewhere, graphs inside graphs. Driven by the message schema, so
// that every field of every message has its turn.

import { type MessageName, SCHEMA } from "../../../compiler/import/onnx/proto.js";
import { DOMAINS } from "../../../compiler/import/onnx/table.js";
import { decodeMessage, encodeMessage } from "../../../compiler/import/onnx/wire.js";
import { mutateBytes } from "./mutate-bytes.js";
import type { Random } from "./random.js";

type Fields = Record<string, unknown>;

interface Node {
  readonly kind: MessageName;
  readonly fields: Fields;
  readonly depth: number;
}

const OPS = Object.values(DOMAINS).flatMap((d) => Object.keys(d));
const INTEGERS = [
  0n,
  1n,
  2n,
  3n,
  4n,
  7n,
  8n,
  13n,
  16n,
  18n,
  21n,
  64n,
  255n,
  65536n,
  2n ** 20n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 40n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n - 1n,
  -1n,
  -2n,
  -3n,
  -(2n ** 31n),
  -(2n ** 63n),
] as const;
const FLOATS = [0, -0, 1, -1, 0.5, 2, 1e-45, 3.4e38, Infinity, -Infinity, Number.NaN] as const;
const TEXTS = [
  "",
  "x",
  "y",
  "n",
  "b",
  "same_upper",
  "NOTSET",
  "SAME_UPPER",
  "VALID",
  "linear",
  "cubic",
  "nearest",
  "asymmetric",
  "align_corners",
  "half_pixel",
  "tf_crop_and_resize",
  "bilinear",
  "reflection",
  "border",
  "reflect",
  "edge",
  "wrap",
  "constant",
  "forward",
  "reverse",
  "bidirectional",
  "Tanh",
  "Relu",
  "sum",
  "mean",
  "none",
  "mul",
  "add",
  "max",
  "min",
  "ai.onnx",
  "ai.onnx.preview.training",
  "com.x",
  "location",
  "offset",
  "length",
  "data.bin",
  "../data.bin",
  "/etc/passwd",
  "a/../../data.bin",
  "link.bin",
  ".",
  "",
  "4",
  "-4",
  "99999999999999999999",
  "tanh",
  "ij,jk->ik",
  "...i,ij",
  "axis",
  "axes",
  "perm",
  "to",
  "mode",
  "body",
  "then_branch",
  "else_branch",
  "__proto__",
  "constructor",
  "value",
  "pads",
  "strides",
  "kernel_shape",
  "dilations",
  "group",
  "ceil_mode",
  "keepdims",
  "k",
  "direction",
  "hidden_size",
] as const;

/** Every message in it, with its kind. */
function messagesOf(kind: MessageName, fields: Fields): Node[] {
  const all: Node[] = [];
  const walk = (name: MessageName, message: Fields, depth: number): void => {
    all.push({ kind: name, fields: message, depth });
    for (const [key, field] of Object.entries(SCHEMA[name])) {
      if (!isMessage(field.kind)) continue;
      const value = message[key];
      for (const child of Array.isArray(value) ? value : value === undefined ? [] : [value])
        walk(field.kind, child as Fields, depth + 1);
    }
  };
  walk(kind, fields, 0);
  return all;
}

function isMessage(kind: string): kind is MessageName {
  return Object.hasOwn(SCHEMA, kind);
}

function namesOf(nodes: readonly Node[]): string[] {
  return nodes.flatMap(({ fields }) =>
    [fields["name"], ...list(fields["input"]), ...list(fields["output"])].filter((n) => typeof n === "string"),
  );
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function scalar(kind: string, names: readonly string[], random: Random): unknown {
  switch (kind) {
    case "int32":
      return Number(BigInt.asIntN(32, random.pick(INTEGERS)));
    case "int64":
      return BigInt.asIntN(64, random.pick(INTEGERS) + BigInt(random.below(3) - 1));
    case "uint64":
      return BigInt.asUintN(64, random.pick(INTEGERS));
    case "float":
    case "double":
      return random.pick(FLOATS);
    case "string":
      return random.once(2) ? (random.pick(names) ?? "") : random.pick(TEXTS);
    default:
      return random.once(2)
        ? new TextEncoder().encode(random.pick(TEXTS))
        : Uint8Array.from({ length: random.below(20) }, () => (random.once(2) ? 0 : random.below(256)));
  }
}

function changeField(nodes: readonly Node[], others: readonly Node[], random: Random): void {
  const node = random.pick(nodes);
  if (node === undefined) return;
  const [key, field] = random.pick(Object.entries(SCHEMA[node.kind])) ?? [];
  if (key === undefined || field === undefined) return;
  const { kind } = field;
  const make = (): unknown =>
    isMessage(kind)
      ? structuredClone(random.pick((random.once(3) ? others : nodes).filter((n) => n.kind === kind))?.fields)
      : scalar(kind, namesOf(nodes), random);
  if (!field.repeated) {
    node.fields[key] = random.once(5) ? undefined : make();
    return;
  }
  const items = [...list(node.fields[key])];
  const at = random.below(items.length + 1);
  const made = make();
  const from = random.below(items.length);
  switch (random.below(5)) {
    case 0:
      items.splice(from, 1);
      break;
    case 1:
      if (made !== undefined) items.splice(at, 0, made);
      break;
    case 2:
      if (made !== undefined && items.length > 0) items[from] = made;
      break;
    case 3:
      if (items.length > 0) items.splice(at, 0, ...items.splice(from, 1));
      break;
    default:
      if (items.length > 0) items.splice(at, 0, structuredClone(items[from]));
  }
  node.fields[key] = items;
}

function ofKind(nodes: readonly Node[], kind: MessageName, random: Random): Fields | undefined {
  return random.pick(nodes.filter((n) => n.kind === kind))?.fields;
}

/** What a blind change would seldom hit. */
function changeStructure(nodes: readonly Node[], others: readonly Node[], random: Random): void {
  const names = namesOf(nodes);
  const node = ofKind(nodes, "NodeProto", random);
  const tensor = ofKind(nodes, "TensorProto", random);
  const attribute = ofKind(nodes, "AttributeProto", random);
  const graph = ofKind(nodes, "GraphProto", random);
  switch (random.below(13)) {
    case 0:
      if (node !== undefined) node["opType"] = random.pick(OPS);
      return;
    case 1: {
      // A node reads what it or a later one computes.
      if (node !== undefined) node["input"] = list(node["input"]).map((n) => (random.once(2) ? random.pick(names) : n));
      return;
    }
    case 2:
      if (attribute !== undefined) attribute["type"] = 1 + random.below(15);
      return;
    case 3: {
      const values = [...list(tensor?.["dims"])];
      if (tensor === undefined) return;
      values[random.below(values.length + 1)] = scalar("int64", names, random);
      tensor["dims"] = values.map((v) => v ?? 1n);
      return;
    }
    case 4: {
      if (tensor === undefined) return;
      const paths = [
        "data.bin",
        "../data.bin",
        "/etc/hostname",
        "sub/../data.bin",
        "link.bin",
        "missing",
        "",
        ".",
        "a\0b",
      ];
      tensor["dataLocation"] = 1;
      tensor["rawData"] = undefined;
      tensor["externalData"] = [
        { key: "location", value: random.pick(paths) },
        ...(random.once(2) ? [{ key: "offset", value: random.pick(["0", "4", "-1", "1e3", "9007199254740992"]) }] : []),
        ...(random.once(2) ? [{ key: "length", value: random.pick(["4", "8", "64", "1048576"]) }] : []),
      ];
      return;
    }
    case 5: {
      const shape = ofKind(nodes, "TensorShapeProto", random);
      if (shape === undefined) return;
      const dim = random.once(3)
        ? {}
        : random.once(2)
          ? { dimParam: "n" }
          : { dimValue: scalar("int64", names, random) };
      const dims = [...list(shape["dim"])];
      dims.splice(random.below(dims.length + 1), random.below(2), dim);
      shape["dim"] = dims;
      return;
    }
    case 6: {
      const type = ofKind(nodes, "TensorTypeProto", random);
      if (type !== undefined) type["elemType"] = random.below(28);
      return;
    }
    case 7: {
      // Graphs in graphs.
      if (graph === undefined) return;
      let inner: Fields = structuredClone(graph);
      for (let depth = random.once(6) ? 80 : 1 + random.below(3); depth > 0; depth--) {
        const g = (name: string): Fields => ({ name, type: 5, g: inner });
        const outputs = list(inner["output"]).map((_, i) => `deep${depth}_${i}`);
        const wrapped: Fields = {
          opType: "If",
          input: [random.pick(names) ?? ""],
          output: outputs,
          attribute: depth > 20 ? [g("then_branch")] : [g("then_branch"), g("else_branch")],
        };
        inner = { ...graph, node: [wrapped], output: outputs.map((name) => ({ name })), input: [] };
        if (JSON.stringify(inner, (_, v: unknown) => (typeof v === "bigint" ? 0 : v)).length > 20000) break;
      }
      Object.assign(graph, inner);
      return;
    }
    case 8: {
      const from = ofKind(others, "NodeProto", random);
      if (graph === undefined || from === undefined) return;
      const items = [...list(graph["node"])];
      items.splice(random.below(items.length + 1), 0, {
        ...structuredClone(from),
        input: list(from["input"]).map(() => random.pick(names)),
      });
      graph["node"] = items;
      return;
    }
    case 9: {
      if (graph === undefined) return;
      const key = random.pick(["initializer", "input", "value_info"] as const);
      const items = [...list(graph[key])];
      items.splice(random.below(items.length), 1);
      graph[key] = items;
      return;
    }
    case 10: {
      if (attribute === undefined) return;
      attribute["ints"] = Array.from({ length: random.below(6) }, () => scalar("int64", names, random));
      return;
    }
    case 11: {
      if (tensor === undefined) return;
      tensor["dataType"] = random.below(28);
      return;
    }
    default: {
      const opset = ofKind(nodes, "OperatorSetIdProto", random);
      if (opset !== undefined) opset["version"] = BigInt(random.below(28));
    }
  }
}

/** A changed model: a quarter of them as bytes, the others as messages. */
export function mutateModel(input: Uint8Array, other: Uint8Array, random: Random): Uint8Array {
  if (random.once(4)) return mutateBytes(input, other, random);
  try {
    const model = decodeMessage("ModelProto", input, "model") as unknown as Fields;
    const mutable = structuredClone(model);
    const others = messagesOf("ModelProto", decodeMessage("ModelProto", other, "other") as unknown as Fields);
    for (let i = random.once(3) ? 1 + random.below(4) : 1; i > 0; i--) {
      const nodes = messagesOf("ModelProto", mutable);
      if (random.once(2)) changeField(nodes, others, random);
      else changeStructure(nodes, others, random);
    }
    return encodeMessage("ModelProto", mutable);
  } catch {
    // No model any more, or values that no field of the format can hold.
    return mutateBytes(input, other, random);
  }
}

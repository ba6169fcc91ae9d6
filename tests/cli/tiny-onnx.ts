// ONNX models of a few nodes, encoded by hand (protobuf fields of onnx.proto), for tests of the command line.

type Field = readonly [field: number, value: number | string | Uint8Array];

function varint(n: number): number[] {
  const out: number[] = [];
  for (; n > 127; n = Math.floor(n / 128)) out.push((n % 128) | 128);
  return [...out, n];
}

function message(...fields: readonly Field[]): Uint8Array {
  const out: number[] = [];
  for (const [field, value] of fields) {
    if (typeof value === "number") out.push(...varint(field * 8), ...varint(value));
    else {
      const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
      out.push(...varint(field * 8 + 2), ...varint(bytes.length), ...bytes);
    }
  }
  return Uint8Array.from(out);
}

export interface TinyNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

/** Name and sizes; a string is a dynamic dimension's name. All values are float32. */
export type TinyValue = readonly [name: string, shape: readonly (number | string)[]];

function valueInfo([name, shape]: TinyValue): Uint8Array {
  const dims = shape.map((d): Field => [1, typeof d === "number" ? message([1, d]) : message([2, d])]);
  return message([1, name], [2, message([1, message([1, 1], [2, message(...dims)])])]);
}

/** A model of opset 17. `weights` are initializers. */
export function tinyOnnx(
  inputs: readonly TinyValue[],
  outputs: readonly TinyValue[],
  nodes: readonly TinyNode[],
  weights: Readonly<Record<string, readonly number[]>> = {},
): Uint8Array {
  const node = (n: TinyNode): Uint8Array =>
    message(
      ...n.inputs.map((i): Field => [1, i]),
      ...n.outputs.map((o): Field => [2, o]),
      [3, n.outputs[0] ?? ""],
      [4, n.op],
    );
  const tensor = (name: string, values: readonly number[]): Uint8Array =>
    message([1, values.length], [2, 1], [8, name], [9, new Uint8Array(Float32Array.from(values).buffer)]);
  const graph = message(
    ...nodes.map((n): Field => [1, node(n)]),
    [2, "tiny"],
    ...Object.entries(weights).map(([name, values]): Field => [5, tensor(name, values)]),
    ...inputs.map((v): Field => [11, valueInfo(v)]),
    ...outputs.map((v): Field => [12, valueInfo(v)]),
  );
  return message([1, 8], [2, "test"], [7, graph], [8, message([1, ""], [2, 17])]);
}

/** y = relu(x * w) + w over x[n, 3]. */
export const chain = (w: readonly number[] = [1, 2, 3], op = "Relu"): Uint8Array =>
  tinyOnnx(
    [["x", ["n", 3]]],
    [["y", ["n", 3]]],
    [
      { op: "Mul", inputs: ["x", "w"], outputs: ["a"] },
      { op, inputs: ["a"], outputs: ["b"] },
      { op: "Add", inputs: ["b", "w"], outputs: ["y"] },
    ],
    { w },
  );

/** A running sum: next = x + before; twice = next + next. */
export const running = tinyOnnx(
  [
    ["x", [2]],
    ["before", [2]],
  ],
  [
    ["twice", [2]],
    ["next", [2]],
  ],
  [
    { op: "Add", inputs: ["x", "before"], outputs: ["next"] },
    { op: "Add", inputs: ["next", "next"], outputs: ["twice"] },
  ],
);

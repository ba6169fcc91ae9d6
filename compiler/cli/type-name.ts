// A model's name as a TypeScript type's: "text-rec.v2" is TextRecV2.

export function typeName(model: string): string {
  const words = model.split(/[^A-Za-z0-9]+/).filter((w) => w !== "");
  const joined = words.map((w) => `${w.slice(0, 1).toUpperCase()}${w.slice(1)}`).join("");
  return /^[A-Za-z]/.test(joined) ? joined : `Model${joined}`;
}

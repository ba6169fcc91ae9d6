// A Difference as SARIF 2.1.0, which code review tools show: one result per level that differs.

import { type Difference, LEVELS, type Level } from "./difference.js";
import { detailLines } from "./render.js";

const MEANING: Readonly<Record<Level, string>> = {
  source: "The imported graph's structure differs.",
  values: "Constants of the model hold other values.",
  compiler: "Version, target, tier, features or passes differ.",
  functional: "The graph after the passes differs.",
  schedule: "The schedule differs.",
  kernels: "Kernels were added, removed or changed.",
  memory: "Buffers or memory regions differ.",
  weights: "Packed constants differ.",
  code: "Generated modules differ.",
  signature: "Inputs, outputs, states or symbols differ.",
};

export function toSarif(d: Difference, version: string): unknown {
  const results = d.levels
    .filter((l) => !l.same)
    .map((l) => ({
      ruleId: ruleId(l.level),
      ruleIndex: LEVELS.indexOf(l.level),
      level: d.explains?.level === l.level ? "warning" : "note",
      message: { text: [`${l.level}: ${l.summary}`, ...detailLines(l)].join("\n") },
      locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(d.new.path) } } }],
      properties: { old: d.old.digest, new: d.new.digest, explains: d.explains?.level === l.level },
    }));
  return {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "psionic diff",
            version,
            rules: LEVELS.map((level) => ({ id: ruleId(level), shortDescription: { text: MEANING[level] } })),
          },
        },
        results,
      },
    ],
  };
}

function ruleId(level: Level): string {
  return `psionic/diff/${level}`;
}

function uriOf(path: string): string {
  return path.replaceAll("\\", "/").split("/").map(encodeURIComponent).join("/");
}

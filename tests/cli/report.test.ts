// What errors become: exit codes, JSON, and for a bug of ours a file that holds what a report needs.

import { readFileSync, rmSync } from "node:fs";
import test from "ava";
import type { Context } from "../../compiler/cli/context.js";
import { badInput, ioFailure, usage } from "../../compiler/cli/failures.js";
import { type ErrorDocument, report } from "../../compiler/cli/report.js";
import { styleFor, table, wantsColor } from "../../compiler/cli/style.js";
import { Bug, Refused } from "../../compiler/ir/errors.js";
import { LoadError } from "../../runtime-shim/format.js";

function caught(e: unknown, json: boolean): { code: number; text: string; error: ErrorDocument | undefined } {
  let text = "";
  let error: ErrorDocument | undefined;
  const cx: Context = {
    json,
    style: styleFor(false),
    print: () => {},
    note: (line) => {
      text += `${line}\n`;
    },
    document: (value) => {
      if (typeof value === "object" && value !== null && "error" in value) error = value.error as ErrorDocument;
    },
  };
  return { code: report(e, cx), text, error };
}

test("who is at fault decides the exit code", (t) => {
  const refusal = {
    code: "unsupported_op",
    scope: "onnx",
    subject: "Foo",
    detail: "no Foo",
    at: "node a",
    hint: "use Bar",
  } as const;
  t.is(caught(usage("u"), false).code, 2);
  t.is(caught(ioFailure("i"), false).code, 2);
  t.is(caught(badInput("b"), false).code, 1);
  t.is(caught(new Refused([refusal]), false).code, 1);
  t.is(caught(new LoadError("digest_mismatch", "manifest", "a", "b"), false).code, 1);
  t.deepEqual(caught(new Refused([refusal]), true).error, {
    code: "refused",
    message: "unsupported_op: node a: no Foo\n  hint: use Bar",
    refusals: [refusal],
  });
  t.like(caught(new LoadError("digest_mismatch", "manifest", "a", "b"), true).error, { code: "digest_mismatch" });
});

test("a bug is short, says it is ours, and keeps the IR in a file", (t) => {
  const { code, text } = caught(new Bug("fuse", "lost a node", "%0 = input"), false);
  t.is(code, 1);
  t.regex(text, /error \(bug\): fuse: lost a node\n.*a bug in Psionic.*report it with the file (\S+),/);
  t.notRegex(text, /^\s+at /m);
  const path = /with the file (\S+),/.exec(text)?.[1] ?? "";
  const kept = readFileSync(path, "utf8");
  rmSync(path);
  t.regex(kept, /stage: fuse[\s\S]*%0 = input/);
});

test("an error of unknown kind is a bug too", (t) => {
  const { code, error } = caught(new TypeError("x is not a function"), true);
  rmSync(error?.report ?? "");
  t.is(code, 1);
  t.like(error, { code: "bug", message: "unexpected TypeError: x is not a function" });
});

test("colour follows FORCE_COLOR, then NO_COLOR, then the terminal", (t) => {
  t.true(wantsColor({ isTTY: true }, {}));
  t.false(wantsColor({}, {}));
  t.false(wantsColor({ isTTY: true }, { NO_COLOR: "1" }));
  t.true(wantsColor({ isTTY: true }, { NO_COLOR: "" }));
  t.false(wantsColor({ isTTY: true }, { TERM: "dumb" }));
  t.true(wantsColor({}, { FORCE_COLOR: "1", NO_COLOR: "1" }));
  t.false(wantsColor({ isTTY: true }, { FORCE_COLOR: "0" }));
});

test("tables align, without spaces at the end", (t) => {
  t.is(
    table(
      ["name", "bytes"],
      [
        ["a", "1"],
        ["long name", "1,000"],
      ],
      ["bytes"],
    ),
    "name       bytes\na              1\nlong name  1,000",
  );
});

// The text form is lossless and the same in every builder; random graphs verify.

import test from "ava";
import fc from "fast-check";
import { Builder } from "../../compiler/ir/graph.js";
import { digestOf, nodeNames, parse, print } from "../../compiler/ir/text.js";
import { formatIssue, verify } from "../../compiler/ir/verify.js";
import { arbitraryGraph } from "../support/random-graph.js";

test("random graphs verify", (t) => {
  fc.assert(
    fc.property(arbitraryGraph({ steps: 16 }), ({ graph }) => {
      const issues = verify(graph).map((i) => formatIssue(i, nodeNames(graph)));
      t.deepEqual(issues, []);
    }),
    { numRuns: 150, seed: 7 },
  );
});

test("print and parse give the same text and digest in a fresh builder", (t) => {
  fc.assert(
    fc.property(arbitraryGraph({ steps: 16 }), ({ graph }) => {
      const { text, tensors } = print(graph);
      const builder = new Builder();
      // Ids must not matter: make a few nodes first.
      builder.param({ dtype: "f32", shape: [] });
      const again = parse(text, tensors, builder);
      t.is(print(again).text, text);
      t.is(digestOf(again), digestOf(graph));
      t.deepEqual(
        verify(again).map((i) => i.message),
        [],
      );
    }),
    { numRuns: 150, seed: 11 },
  );
});

// The text form of a graph, lossless: parse(print(graph)) prints the same text in any builder and any process.
//
//   graph "name"
//   string "yes"                                   the model's strings, by number, where it has any; the first is ""
//   symbol n: 1..512                               a symbol and its range; given by an input's shape, or
//   symbol k: 0..512 = axis(%4, 1)                 bound: to an axis of a value, or element(value, index)
//   constraint n = m "add: broadcast of axis 0"    checked at run time
//   %0 = input {name="x", dtype=f32, shape=[n, 3]} : f32[n, 3]
//   %1 = const {value=f32[3] [1, 2, 3]} : f32[3]   up to 16 elements; larger ones as f32[64, 3] sha256:...
//   %2 = add(%0, %1) : f32[n, 3]
//   %3 = if(%c) {shapes=[[n, 3]]} : f32[n, 3]      regions in braces, ended by what they give
//     then {
//       yield %2
//     }
//     else {
//       yield %0
//     }
//   output "y" = %3
//   state "cache" = %2                             the value that the slot holds after the run
//
// A line `; text` is a comment. Loops have one region, body(%i: i64[], ...).

export { ParseError, parse } from "./parse.js";
export { digestOf, nodeNames, type Printed, print } from "./print.js";

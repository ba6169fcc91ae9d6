// The command lines of the benchmark, the suites and the fuzzer: a text for --help, and one line for what is wrong.

import { Bug } from "../../compiler/ir/errors.js";

/** What `read` makes of the command line. The process ends here for --help, and with exit code 2 where `read` throws. */
export function readCommandLine<T>(usage: string, read: () => T): T {
  if (process.argv.slice(2).some((word) => word === "--help" || word === "-h")) {
    console.log(usage);
    process.exit(0);
  }
  try {
    return read();
  } catch (error) {
    if (error instanceof Bug || !(error instanceof Error)) throw error;
    console.error(`error: ${error.message}\n--help lists the options`);
    process.exit(2);
  }
}

/** A number above 0. */
export function positive(option: string, text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`--${option} ${text}: want a number above 0`);
  return number;
}

/** A whole number from 1. */
export function count(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`--${option} ${text}: want a whole number from 1`);
  return number;
}

export function tierOf(text: string): "strict" | "relaxed" {
  if (text !== "strict" && text !== "relaxed") throw new Error(`--tier ${text}: want strict or relaxed`);
  return text;
}

/** Of names, in any case unless `flags` says otherwise. */
export function patternOf(text: string, flags = "i"): RegExp {
  try {
    return new RegExp(text, flags);
  } catch (error) {
    throw new Error(`--only ${text}: want a regular expression`, { cause: error });
  }
}

// Modules by their content: a model that was trained further keeps its code.

import type { Memo } from "../../codegen/memo.js";
import { moduleKey } from "./key.js";
import { type Cache, readEntry, writeEntry } from "./store.js";

export function memoIn(cache: Cache): Memo {
  return (content, make) => {
    const key = moduleKey(content());
    const known = key === null ? null : readEntry(cache, key);
    if (known !== null) return known;
    const made = make();
    if (key !== null) writeEntry(cache, key, [made]);
    return made;
  };
}

/** Without a cache everything is made. */
export const noMemo: Memo = (_content, make) => make();

// Code that was made before: a target asks here before it compiles a module.

/** Gives the bytes that were made from the same content before, or makes them. */
export type Memo = (content: () => string, make: () => Uint8Array) => Uint8Array;

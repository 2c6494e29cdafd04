/**
 * How the language server is started; the benchmark starts it the same way.
 *
 * All that a parse makes lives until the next one, so that the part of the heap for what is short-lived has nothing to
 * offer beyond its first few MiB: it only grows to its full size, three times over.
 */
export const SERVER_FLAGS: readonly string[] = ['--max-semi-space-size=4'];

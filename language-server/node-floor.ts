/** Whether this Node can run mlpipe at all. Asked before anything native is loaded: on Node 20 that ends the process. */

/**
 * @param version of this process, `process.versions.node`
 * @param range the manifest's `engines.node`: `>=22.14`
 * @returns what is wrong and what to do, in one line; nothing where the version will do
 */
export function nodeProblem(version: string, range: string): string | undefined {
  const floor = numbers(range);
  const have = numbers(version);
  for (const [index, wanted] of floor.entries()) {
    const found = have[index] ?? 0;
    if (found > wanted) return undefined;
    if (found < wanted) {
      return (
        `The mlpipe language server needs Node ${floor.join('.')} or later, and this is Node ${version}. ` +
        'Install a newer Node, or set `mlpipe.node` to the path of one.'
      );
    }
  }
  return undefined;
}

function numbers(text: string): number[] {
  return (/\d+(\.\d+)*/.exec(text)?.[0] ?? '').split('.').map(Number);
}

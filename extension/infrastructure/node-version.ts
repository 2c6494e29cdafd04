/** Comparing versions of Node: the runtime loads native modules that end an older process without a word. */

/** `24.21.0`, `v24.21.0` or `>=22.14` as numbers; nothing where there is no version in the text. */
export function parseVersion(text: string): number[] | undefined {
  const found = /\d+(\.\d+){0,2}/.exec(text);
  return found?.[0].split('.').map(Number);
}

/**
 * @param version as `process.versions.node` or `node --version` give it
 * @param floor the manifest's `engines.node`, such as `>=22.14`
 */
export function isNewEnough(version: string, floor: string): boolean {
  const have = parseVersion(version);
  const wanted = parseVersion(floor);
  if (have === undefined || wanted === undefined) return false;
  for (const [index, part] of wanted.entries()) {
    const found = have[index] ?? 0;
    if (found !== part) return found > part;
  }
  return true;
}

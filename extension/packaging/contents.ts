/**
 * What is in the packed extension: a list of what is wanted, so that nothing slips in because nobody thought of it.
 * The test of the package reads the archive against this very list.
 */
import { glob } from 'node:fs/promises';
import { join } from 'node:path';

/** Patterns relative to the repository's root, and where each file lies in the package (nothing: in the same place). */
export interface Wanted {
  pattern: string;
  /** It may be absent. */
  optional?: boolean;
  /** In place of the first part of the path. */
  from?: string;
  to?: string;
}

/** A platform as `vsce` names it; the package without one is for all of them. */
export type Target =
  | 'linux-x64'
  | 'linux-arm64'
  | 'alpine-x64'
  | 'alpine-arm64'
  | 'darwin-x64'
  | 'darwin-arm64'
  | 'win32-x64'
  | 'win32-arm64';

export const WANTED: readonly Wanted[] = [
  { pattern: '.vscodeignore' },
  { pattern: 'package.nls.json' },
  { pattern: 'README.md' },
  { pattern: 'CHANGELOG.md' },
  { pattern: 'LICENSE' },
  { pattern: 'language-configuration.json' },
  { pattern: 'grammar/syntaxes/mlpipe.tmLanguage.json' },
  { pattern: 'media/{icon,screenshot}.png' },
  { pattern: 'media/{mlpipe,file-light,file-dark}.svg' },
  { pattern: 'media/walkthrough/*.svg' },
  { pattern: 'dist/*.cjs' },
  { pattern: 'dist/*.wasm' },
  // The addon that opens TensorFlow, where it was made for the platform, and what it is built from elsewhere.
  { pattern: 'dist/tensorflow/*.node', optional: true },
  { pattern: 'dist/tensorflow/source/**/*.{cc,h,inc}' },
  { pattern: 'dist/pages/*.{js,css}' },
  // What `mlpipe explain` prints.
  { pattern: 'docs/diagnostics/MLP*.md' },
];

/**
 * The native module stands beside the bundles: it cannot be inside one, and is looked for from there. Of it, what it
 * needs to run; the sources of SQLite it was built from stay behind.
 */
export const NATIVE: readonly Wanted[] = ['package.json', 'LICENSE', 'lib/**/*.js'].map((rest) => ({
  pattern: `node_modules/better-sqlite3/${rest}`,
  from: 'node_modules',
  to: 'dist/node_modules',
}));

export function nativeBinary(target: Target | undefined): Wanted {
  const name = target === undefined ? '*' : target.replace('alpine', 'linuxmusl');
  return {
    pattern: `node_modules/better-sqlite3/prebuilds/${name}.node`,
    from: 'node_modules',
    to: 'dist/node_modules',
  };
}

/** Every wanted file that exists: from → to, both relative. A pattern that finds nothing is named. */
export async function wantedFiles(
  root: string,
  target: Target | undefined,
): Promise<{ files: { from: string; to: string }[]; unmatched: string[] }> {
  const files: { from: string; to: string }[] = [];
  const unmatched: string[] = [];
  for (const { pattern, optional, from, to } of [...WANTED, ...NATIVE, nativeBinary(target)]) {
    const before = files.length;
    for await (const file of glob(pattern, { cwd: root })) {
      const path = file.replaceAll('\\', '/');
      files.push({ from: path, to: from === undefined ? path : join(to ?? '', path.slice(from.length + 1)) });
    }
    if (files.length === before && optional !== true) unmatched.push(pattern);
  }
  return { files: files.sort((a, b) => a.to.localeCompare(b.to)), unmatched };
}

/**
 * The manifest as the editor needs it: what npm alone reads (scripts, dependencies, the command's entry, which lies in
 * the bundles here) is left out.
 */
export function packedManifest(manifest: Record<string, unknown>): Record<string, unknown> {
  const npm = new Set([
    'scripts',
    'overrides',
    'dependencies',
    'devDependencies',
    'optionalDependencies',
    'bin',
    'files',
  ]);
  return Object.fromEntries(Object.entries(manifest).filter(([key]) => !npm.has(key)));
}

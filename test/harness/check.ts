/** What a machine can check without running the product: formatting, lint, types, generated files that are fresh. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { root, run, runTool } from './commands.ts';

interface Check {
  name: string;
  passes: () => Promise<boolean>;
}

const checks: Check[] = [
  {
    name: 'formatted and linted',
    passes: async () => (await runTool('@biomejs/biome/bin/biome', ['ci', '--colors=off', '.'])) === 0,
  },
  { name: 'typed', passes: async () => (await runTool('typescript/bin/tsc', ['-p', '.'])) === 0 },
  // In a browser: other globals, so a project of its own.
  {
    name: 'pages typed',
    passes: async () => (await runTool('typescript/bin/tsc', ['-p', 'extension/features/lineage/page'])) === 0,
  },
  { name: 'generated files are fresh', passes: generatedFilesAreFresh },
];

async function generatedFilesAreFresh(): Promise<boolean> {
  const before = await contentsOf(join(root, 'grammar/generated'));
  const code = await run('npm', ['run', '--silent', 'generate']);
  const after = await contentsOf(join(root, 'grammar/generated'));
  return code === 0 && before === after;
}

async function contentsOf(folder: string): Promise<string> {
  const names = (await readdir(folder)).sort();
  return (await Promise.all(names.map(async (name) => `${name}\n${await readFile(join(folder, name), 'utf8')}`))).join(
    '\n',
  );
}

/** Runs every check, names those that fail, and answers the counts. */
export async function runChecks(): Promise<{ passed: number; failed: number }> {
  let failed = 0;
  for (const check of checks) {
    const ok = await check.passes();
    console.log(`${ok ? '✓' : '✗'} ${check.name}`);
    if (!ok) failed++;
  }
  return { passed: checks.length - failed, failed };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  process.exitCode = (await runChecks()).failed === 0 ? 0 : 1;
}

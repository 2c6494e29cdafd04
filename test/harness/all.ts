/**
 * Every test, for real: the checks, the build, the tests of each floor, and the suite inside a real VS Code. Ends with
 * the line `N passed, N failed`. `npm test -- --only checks,unit,editor` runs a part.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import '../configuration.ts';
import { runChecks } from './check.ts';
import { runTool } from './commands.ts';

interface Counts {
  passed: number;
  failed: number;
  skipped?: number;
}

const parts: Record<string, () => Promise<Counts>> = {
  checks: runChecks,
  build: async () => outcome((await runTool('../esbuild.ts', [])) === 0),
  unit: runUnitTests,
  editor: async () => (await import('./editor.ts')).runEditorSuite(),
};

const { values } = parseArgs({ options: { only: { type: 'string' } } });
const chosen = values.only?.split(',') ?? Object.keys(parts);
const total: Required<Counts> = { passed: 0, failed: 0, skipped: 0 };
const started = performance.now();
for (const [name, execute] of Object.entries(parts)) {
  if (!chosen.includes(name)) continue;
  console.log(`\n── ${name}`);
  const since = performance.now();
  const counts = await execute().catch((error: unknown) => {
    console.error(error);
    return outcome(false);
  });
  total.passed += counts.passed;
  total.failed += counts.failed;
  total.skipped += counts.skipped ?? 0;
  console.log(`── ${name}: ${counts.passed} passed, ${counts.failed} failed (${seconds(since)})`);
  // Nothing after a broken build says anything about the product.
  if (name === 'build' && counts.failed > 0) break;
}
console.log(`\n${seconds(started)} in all`);
console.log(`${total.passed} passed, ${total.failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
process.exitCode = total.failed > 0 || total.passed === 0 ? 1 : 0;

async function runUnitTests(): Promise<Counts> {
  const folder = await mkdtemp(join(tmpdir(), 'mlpipe-counts-'));
  const file = join(folder, 'counts.json');
  try {
    const code = await runTool(
      'mocha/bin/mocha.js',
      ['--parallel', '--jobs', '2', '--timeout', '120000', '--reporter', 'test/harness/reporter.cjs'],
      { MLPIPE_TEST_COUNTS: file },
    );
    const counts = JSON.parse(await readFile(file, 'utf8')) as Counts;
    // A crash of the runner itself is a failure, whatever it counted before.
    return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function outcome(ok: boolean): Counts {
  return ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`;
}

/**
 * The official validators of provenance formats, in a virtual environment that is made once a machine and version, and
 * shared by all test runs. Where Python or a package cannot be had, the tests that need them say so and are skipped.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { digestOfValue } from '../../../grammar/plan/canonical.ts';

const PACKAGES = [
  'cyclonedx-python-lib[json-validation]==11.12.0',
  'in-toto-attestation==0.9.3',
  'mlcroissant==1.1.1',
  'model-signing==1.1.1',
  'openlineage-python==1.54.0',
  // `model-signing` imports it without saying so.
  'pyOpenSSL==26.4.0',
  'roc-validator==0.13.0',
  // The last that ships the context of RO-Crate 1.1.
  'rocrate==0.13.0',
  'securesystemslib[crypto]==1.6.0',
];

const script = fileURLToPath(new URL('../../golden/validate.py', import.meta.url));
const folder = join(tmpdir(), `mlpipe-validators-${digestOfValue(PACKAGES).slice(7, 19)}`);

/** Installs what is not installed yet; answers why it cannot be, or nothing. */
export function installValidators(): string | undefined {
  if (existsSync(folder)) return undefined;
  const made = mkdtempSync(join(tmpdir(), 'mlpipe-validators-new-'));
  const failure =
    run('python3', ['-m', 'venv', made], 60_000) ??
    run(
      join(made, 'bin', 'python'),
      ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', ...PACKAGES],
      400_000,
    );
  if (failure === undefined) {
    try {
      // Whole or not at all, under the eyes of another test run.
      renameSync(made, folder);
      return undefined;
    } catch (error) {
      if (!existsSync(folder)) return String(error);
    }
  }
  rmSync(made, { recursive: true, force: true });
  return failure;
}

function run(program: string, words: string[], timeout: number): string | undefined {
  const { status, stderr, error } = spawnSync(program, words, { encoding: 'utf8', timeout });
  return status === 0 ? undefined : (error?.message ?? stderr.trim().split('\n').at(-1) ?? 'it failed');
}

/** What the validator has to say: nothing where all is well. */
export function validate(format: string, ...words: string[]): string[] {
  const { stdout, stderr, status } = spawnSync(join(folder, 'bin', 'python'), [script, format, ...words], {
    encoding: 'utf8',
    timeout: 120_000,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const problems = stdout.trim() === '' ? [] : stdout.trim().split('\n');
  return status !== 0 && problems.length === 0 ? [stderr.slice(-2000)] : problems;
}

/** RO-Crate 1.1's JSON-LD context, as its own library ships it. */
export function crateContext(): string {
  const [version = ''] = readdirSync(join(folder, 'lib'));
  return join(folder, 'lib', version, 'site-packages', 'rocrate', 'data', 'ro-crate.jsonld');
}

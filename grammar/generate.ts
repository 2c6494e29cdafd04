/**
 * Makes what is generated in this floor: the parser's tables and the AST's types from the grammar, and the built-in
 * library as a string, so that reading it needs no file.
 *
 * `node grammar/generate.ts` writes what has changed; with `--check` it writes nothing and fails if something would.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const floor = dirname(fileURLToPath(import.meta.url));
const generated = join(floor, 'generated');

/** Every generated file by name. Langium writes into a folder of its own, so that the real one is never half written. */
export function generate(): Map<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'mlpipe-generate-'));
  try {
    const config = JSON.parse(readFileSync(join(floor, 'langium-config.json'), 'utf8')) as {
      out: string;
      languages: { grammar: string }[];
    };
    for (const language of config.languages) language.grammar = join(floor, language.grammar);
    config.out = 'out';
    writeFileSync(join(folder, 'langium-config.json'), JSON.stringify(config));
    const langium = join(dirname(fileURLToPath(import.meta.resolve('langium-cli'))), '../bin/langium.js');
    execFileSync(process.execPath, [langium, 'generate', '--file', 'langium-config.json'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      encoding: 'utf8',
    });
    const files = new Map<string, string>();
    for (const name of readdirSync(join(folder, 'out')))
      files.set(name, readFileSync(join(folder, 'out', name), 'utf8'));
    files.set('builtins.ts', builtins());
    return files;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The names of generated files that are not as they should be. */
export function differences(files: ReadonlyMap<string, string>): string[] {
  const names = new Set([...files.keys(), ...readdirSync(generated)]);
  return [...names].filter((name) => files.get(name) !== contentOf(name)).sort();
}

function builtins(): string {
  const text = readFileSync(join(floor, 'builtins.mlpipe'), 'utf8');
  const lines = text.split('\n').map((line) => `  ${JSON.stringify(line)},`);
  return [
    '// Made from builtins.mlpipe by `npm run generate`. Do not edit.',
    '',
    'export const BUILTINS: string = [',
    ...lines,
    "].join('\\n');",
    '',
  ].join('\n');
}

function contentOf(name: string): string | undefined {
  try {
    return readFileSync(join(generated, name), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function write(files: ReadonlyMap<string, string>, names: readonly string[]): void {
  mkdirSync(generated, { recursive: true });
  for (const name of names) {
    const content = files.get(name);
    if (content === undefined) {
      rmSync(join(generated, name));
    } else {
      writeFileSync(join(generated, `.${name}.new`), content);
      renameSync(join(generated, `.${name}.new`), join(generated, name));
    }
  }
}

if (import.meta.main) {
  const check = process.argv.includes('--check');
  const files = generate();
  const changed = differences(files);
  if (!check) write(files, changed);
  const what = changed.map((name) => `grammar/generated/${name}`).join(', ');
  process.stderr.write(
    changed.length === 0 ? 'Nothing has changed.\n' : `${check ? 'Would change' : 'Changed'}: ${what}\n`,
  );
  if (check && changed.length > 0) process.exitCode = 1;
}

/** Python in an exact version, and the packages of its lock file: a virtual environment in the user's cache. */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { type BuildOptions, builtOnce } from './built.ts';
import { isThere, runCommand } from './command.ts';
import type { LanguageNeed, ProvidedLanguage } from './provide.ts';

interface EnvironmentManifest {
  lock: Digest;
  python: string;
  packages: Record<string, string>;
}

const BIN = process.platform === 'win32' ? 'Scripts' : 'bin';

/**
 * The lock file is installed with `--require-hashes`: a package whose bytes are others is refused. A `uv.lock` is written
 * out as such a file by uv.
 *
 * @throws MlpipeError `interpreter-missing`, `lock-unknown`, `lock-without-hashes`, `provision-failed`, `cancelled`
 */
export async function providePython(
  need: LanguageNeed,
  cache: string,
  options: BuildOptions,
): Promise<ProvidedLanguage> {
  const program = need.program ?? (await installPython(need, cache, options));
  const provided: ProvidedLanguage = { searchPath: [dirname(program)], variables: {}, evidence: { python: program } };
  const { lock } = need;
  if (lock === undefined) return provided;
  const folder = join(
    cache,
    'python-packages',
    `${lock.digest.slice(7, 39)}-${need.version}-${process.platform}-${process.arch}`,
  );
  // A virtual environment knows its own place, so it is made where it stays.
  const { packages } = await builtOnce(
    folder,
    () => installPackages(need.version, program, lock, folder, options),
    options,
  );
  return {
    searchPath: [join(folder, BIN)],
    variables: { VIRTUAL_ENV: folder },
    evidence: { python: program, packages },
  };
}

/** uv knows where builds of Python are to be had; without it only what is on the machine can be used. */
async function installPython({ version, here }: LanguageNeed, cache: string, options: BuildOptions): Promise<string> {
  const todo = `Install Python ${version} and put it on the search path, or install uv (https://docs.astral.sh/uv), which can fetch it; or pin a version that is here. Another version is never used in its place.`;
  if (!(await isThere('uv'))) {
    throw new MlpipeError(
      `python ${version} is pinned; this machine has ${here.length === 0 ? 'none' : here.join(', ')}, and no uv that could fetch it.`,
      { code: 'interpreter-missing', todo, exit: 2 },
    );
  }
  const folder = join(cache, 'python', `${version}-${process.platform}-${process.arch}`);
  const environment = { ...process.env, UV_PYTHON_INSTALL_DIR: folder };
  const common = {
    folder: cache,
    environment,
    signal: options.signal,
    what: `Python ${version}`,
    todo,
  };
  fs.mkdirSync(cache, { recursive: true });
  const { program } = await builtOnce(
    folder,
    async () => {
      await runCommand('uv', ['python', 'install', '--no-progress', version], common);
      const found = await runCommand('uv', ['python', 'find', '--managed-python', version], common);
      return { program: found.trim() };
    },
    options,
  );
  return program;
}

async function installPackages(
  version: string,
  program: string,
  lock: NonNullable<LanguageNeed['lock']>,
  folder: string,
  options: BuildOptions,
): Promise<EnvironmentManifest> {
  const name = basename(lock.file);
  const common = {
    folder,
    // What a person has installed or set for another Python must not come in here.
    environment: { ...process.env, PYTHONPATH: '', PYTHONHOME: '', PIP_REQUIRE_VIRTUALENV: '', PIP_USER: '' },
    signal: options.signal,
    what: `The packages of ${name}`,
    todo: 'See that pip reaches its package index and that every package in the lock file is still there for this platform.',
  };
  const requirements = await requirementsOf(lock.file, folder, common);
  await runCommand(program, ['-m', 'venv', folder], common);
  const python = join(folder, BIN, process.platform === 'win32' ? 'python.exe' : 'python');
  await runCommand(
    python,
    ['-m', 'pip', 'install', '--no-input', '--disable-pip-version-check', '--require-hashes', '-r', requirements],
    common,
  );
  const listed = await runCommand(
    python,
    ['-m', 'pip', 'list', '--format', 'json', '--disable-pip-version-check'],
    common,
  );
  // pip's own format: a list of names and versions.
  const packages = JSON.parse(listed) as { name: string; version: string }[];
  return {
    lock: lock.digest,
    python: version,
    packages: Object.fromEntries(packages.map(({ name: each, version: its }) => [each, its])),
  };
}

/** A file in pip's format in which every requirement has its hashes. */
async function requirementsOf(file: string, folder: string, common: Parameters<typeof runCommand>[2]): Promise<string> {
  if (basename(file) === 'uv.lock') {
    const written = await runCommand(
      'uv',
      ['export', '--frozen', '--no-emit-project', '--format', 'requirements-txt', '--project', dirname(file)],
      { ...common, todo: 'Install uv, which reads uv.lock, or lock with `uv pip compile --generate-hashes`.' },
    );
    const place = join(folder, 'requirements.txt');
    fs.writeFileSync(place, written);
    return place;
  }
  if (!/\.(?:txt|in|lock)$/.test(file)) {
    throw new MlpipeError(`${basename(file)} is no lock file that this version can install from.`, {
      code: 'lock-unknown',
      todo: 'Name a requirements.txt with hashes (`uv pip compile --generate-hashes`) or a uv.lock.',
      exit: 2,
    });
  }
  const bare = requirementsWithoutHashes(fs.readFileSync(file, 'utf8'));
  if (bare.length === 0) return file;
  throw new MlpipeError(`${basename(file)} gives no hashes for ${bare.slice(0, 3).join(', ')}.`, {
    code: 'lock-without-hashes',
    todo: `Write them: \`uv pip compile --generate-hashes\` or \`pip-compile --generate-hashes\`. A version alone does not say which bytes are meant.`,
    exit: 2,
  });
}

/** The names of requirements that say no hash. Lines that end with a backslash go on. */
export function requirementsWithoutHashes(text: string): string[] {
  return text
    .replaceAll(/\\\r?\n/g, ' ')
    .split(/\r?\n/)
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .filter((line) => line !== '' && !line.startsWith('-') && !/--hash=sha(?:256|384|512):/.test(line))
    .map((line) => /^[\w.[\],-]+/.exec(line)?.[0] ?? line);
}

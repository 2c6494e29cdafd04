/** Python in an exact version, and the packages of its lock file: a virtual environment in the user's cache. */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { builtOnce } from './built.ts';
import { type CommandOptions, isThere, RETAIN_FAILED, runCommand } from './command.ts';
import type { LanguageNeed, ProvidedLanguage, ProvideOptions } from './provide.ts';
import { keepDistributions } from './python-packages.ts';

interface EnvironmentManifest {
  lock: Digest;
  python: string;
  packages: Record<string, string>;
  /** Whence they came: the package index, or what was retained. */
  from: 'index' | 'store';
}

const BIN = process.platform === 'win32' ? 'Scripts' : 'bin';

/** A `uv.lock` in pip's format. */
const WRITTEN = 'requirements.txt';

const PIP = ['--no-input', '--disable-pip-version-check', '--require-hashes'] as const;

/**
 * The lock file is installed with `--require-hashes`: a package whose bytes are others is refused. A `uv.lock` is written
 * out as such a file by uv. What the store keeps is taken from there, and no index asked.
 *
 * @throws MlpipeError `interpreter-missing`, `lock-unknown`, `lock-without-hashes`, `provision-failed`, `cancelled`,
 * `retain-failed`
 */
export async function providePython(
  need: LanguageNeed,
  cache: string,
  options: ProvideOptions,
): Promise<ProvidedLanguage> {
  const program = need.program ?? (await installPython(need, cache, options));
  const provided: ProvidedLanguage = { searchPath: [dirname(program)], variables: {}, evidence: { python: program } };
  const { lock } = need;
  if (lock === undefined) return provided;
  const name = `${lock.digest.slice(7, 39)}-${need.version}-${process.platform}-${process.arch}`;
  const folder = join(cache, 'python-packages', name);
  const retained = `python-packages-${name}`;
  const command: CommandOptions = {
    folder,
    // What a person has installed or set for another Python must not come in here.
    environment: { ...process.env, PYTHONPATH: '', PYTHONHOME: '', PIP_REQUIRE_VIRTUALENV: '', PIP_USER: '' },
    signal: options.signal,
    what: `The packages of ${basename(lock.file)}`,
    todo: 'See that pip reaches its package index and that every package in the lock file is still there for this platform.',
  };
  const python = join(folder, BIN, process.platform === 'win32' ? 'python.exe' : 'python');
  // A virtual environment knows its own place, so it is made where it stays.
  const { packages, from } = await builtOnce(
    folder,
    async (): Promise<EnvironmentManifest> => {
      const kept = join(folder, 'retained');
      const isKept = await options.retention.take(retained, kept);
      if (fs.existsSync(join(kept, WRITTEN))) fs.copyFileSync(join(kept, WRITTEN), join(folder, WRITTEN));
      const requirements = await requirementsOf(lock.file, folder, command);
      await runCommand(program, ['-m', 'venv', folder], command);
      const source = isKept ? ['--no-index', '--find-links', kept] : [];
      await runCommand(python, ['-m', 'pip', 'install', ...PIP, ...source, '-r', requirements], command);
      fs.rmSync(kept, { recursive: true, force: true });
      const installed = await installedPackages(python, command);
      return { lock: lock.digest, python: need.version, packages: installed, from: isKept ? 'store' : 'index' };
    },
    options,
  );
  await options.retention.keep(retained, async (place) => {
    const requirements = await requirementsOf(lock.file, folder, command);
    await runCommand(python, ['-m', 'pip', 'download', ...PIP, '-r', requirements, '-d', place], {
      ...command,
      ...RETAIN_FAILED,
    });
    // What uv made of its lock file, so that uv is not needed again.
    if (requirements !== lock.file) fs.copyFileSync(requirements, join(place, WRITTEN));
    await keepDistributions(python, place, { ...command, ...RETAIN_FAILED });
  });
  return {
    searchPath: [join(folder, BIN)],
    variables: { VIRTUAL_ENV: folder },
    evidence: { python: program, packages, packagesFrom: from },
  };
}

async function installedPackages(python: string, command: CommandOptions): Promise<Record<string, string>> {
  const listed = await runCommand(
    python,
    ['-m', 'pip', 'list', '--format', 'json', '--disable-pip-version-check'],
    command,
  );
  // pip's own format: a list of names and versions.
  const packages = JSON.parse(listed) as { name: string; version: string }[];
  return Object.fromEntries(packages.map(({ name, version }) => [name, version]));
}

/** uv knows where builds of Python are to be had; without it only what is on the machine or retained can be used. */
async function installPython({ version, here }: LanguageNeed, cache: string, options: ProvideOptions): Promise<string> {
  const name = `${version}-${process.platform}-${process.arch}`;
  const folder = join(cache, 'python', name);
  fs.mkdirSync(cache, { recursive: true });
  const { program } = await builtOnce(
    folder,
    async () => {
      const build = await takeBuild(`python-${name}`, version, folder, options);
      return { program: build ?? (await fetchBuild(version, here, folder, cache, options)) };
    },
    options,
  );
  await options.retention.keep(`python-${name}`, async (place) => {
    const build = buildOf(program);
    fs.cpSync(build, join(place, basename(build)), { recursive: true, verbatimSymlinks: true });
  });
  return program;
}

/** `…/cpython-3.11.9-linux-x86_64-gnu` of the program in it. */
function buildOf(program: string): string {
  const folder = dirname(fs.realpathSync(program));
  return basename(folder) === 'bin' ? dirname(folder) : folder;
}

async function takeBuild(
  retained: string,
  version: string,
  folder: string,
  options: ProvideOptions,
): Promise<string | undefined> {
  const kept = join(folder, 'retained');
  if (!(await options.retention.take(retained, kept))) return undefined;
  const [build] = fs.readdirSync(kept);
  if (build === undefined) return undefined;
  fs.renameSync(join(kept, build), join(folder, build));
  fs.rmSync(kept, { recursive: true });
  const name = `python${version.split('.', 2).join('.')}`;
  return process.platform === 'win32' ? join(folder, build, 'python.exe') : join(folder, build, 'bin', name);
}

async function fetchBuild(
  version: string,
  here: readonly string[],
  folder: string,
  cache: string,
  options: ProvideOptions,
): Promise<string> {
  const todo = `Install Python ${version} and put it on the search path, or install uv (https://docs.astral.sh/uv), which can fetch it; or pin a version that is here. Another version is never used in its place.`;
  if (!(await isThere('uv'))) {
    throw new MlpipeError(
      `python ${version} is pinned; this machine has ${here.length === 0 ? 'none' : here.join(', ')}, and no uv that could fetch it.`,
      { code: 'interpreter-missing', todo, exit: 2 },
    );
  }
  const command: CommandOptions = {
    folder: cache,
    environment: { ...process.env, UV_PYTHON_INSTALL_DIR: folder },
    signal: options.signal,
    what: `Python ${version}`,
    todo,
  };
  await runCommand('uv', ['python', 'install', '--no-progress', version], command);
  const found = await runCommand('uv', ['python', 'find', '--managed-python', version], command);
  return found.trim();
}

/** A file in pip's format in which every requirement has its hashes. */
async function requirementsOf(file: string, folder: string, command: CommandOptions): Promise<string> {
  if (basename(file) === 'uv.lock') {
    const place = join(folder, WRITTEN);
    // Written when the packages were provided: uv need not be there once more.
    if (fs.existsSync(place)) return place;
    const written = await runCommand(
      'uv',
      ['export', '--frozen', '--no-emit-project', '--format', 'requirements-txt', '--project', dirname(file)],
      { ...command, todo: 'Install uv, which reads uv.lock, or lock with `uv pip compile --generate-hashes`.' },
    );
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

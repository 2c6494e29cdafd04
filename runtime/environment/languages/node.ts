/** Node in an exact version, and the packages of its lock file: built by npm, in the user's cache. */
import fs from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { builtOnce } from './built.ts';
import { RETAIN_FAILED, runCommand } from './command.ts';
import { installRetained, keepPackages, packagesOf } from './node-packages.ts';
import type { LanguageNeed, ProvidedLanguage, ProvideOptions } from './provide.ts';

interface NodeManifest {
  version: string;
  /** Relative to the folder. */
  program: string;
}

interface ModulesManifest {
  lock: Digest;
  node: string;
  packages: Record<string, string>;
  /** Whence they came: the registry, or what was retained. */
  from: 'registry' | 'store';
}

const LOCKS = new Set(['package-lock.json', 'npm-shrinkwrap.json']);

const QUIET = ['--ignore-scripts', '--no-audit', '--no-fund'] as const;

/**
 * A lock file is installed by `npm ci`, which takes nothing that differs from its integrity; install scripts do not run.
 * What the store keeps of either is taken from there, and the registry not asked.
 *
 * @throws MlpipeError `provision-failed`, `lock-unknown`, `cancelled`, `retain-failed`
 */
export async function provideNode(
  need: LanguageNeed,
  cache: string,
  options: ProvideOptions,
): Promise<ProvidedLanguage> {
  const program = need.program ?? (await installNode(need.version, cache, options));
  const provided: ProvidedLanguage = { searchPath: [dirname(program)], variables: {}, evidence: { node: program } };
  const { lock } = need;
  if (lock === undefined) return provided;
  if (!LOCKS.has(basename(lock.file))) {
    throw new MlpipeError(`${basename(lock.file)} is no lock file that this version can install from.`, {
      code: 'lock-unknown',
      todo: 'Name a package-lock.json, which `npm install` writes.',
      exit: 2,
    });
  }
  const name = `${lock.digest.slice(7, 39)}-${need.version}-${process.platform}-${process.arch}`;
  const folder = join(cache, 'node-packages', name);
  const command = {
    folder,
    environment: { ...process.env, PATH: [dirname(program), process.env.PATH ?? ''].join(delimiter) },
    signal: options.signal,
    what: `The packages of ${basename(lock.file)}`,
    todo: 'See that npm reaches its registry and that the lock file fits package.json (`npm install` mends it).',
  };
  const retained = `node-packages-${name}`;
  const { packages, from } = await builtOnce(
    folder,
    async (): Promise<ModulesManifest> => {
      layManifests(lock.file, folder);
      const isKept = await options.retention.take(retained, join(folder, 'retained'));
      if (isKept) await installRetained(lock.file, folder, command);
      else await runCommand('npm', ['ci', ...QUIET], command);
      fs.rmSync(join(folder, 'retained'), { recursive: true, force: true });
      const laid = Object.fromEntries(packagesOf(folder).map(({ name: each, says }) => [each, says]));
      return { lock: lock.digest, node: need.version, packages: laid, from: isKept ? 'store' : 'registry' };
    },
    options,
  );
  await options.retention.keep(retained, (place) => keepPackages(folder, place, command));
  const modules = join(folder, 'node_modules');
  return {
    searchPath: [dirname(program), join(modules, '.bin')],
    variables: {},
    modules,
    evidence: { node: program, packages, packagesFrom: from },
  };
}

async function installNode(version: string, cache: string, options: ProvideOptions): Promise<string> {
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const name = `node-${system}-${process.arch}`;
  const folder = join(cache, 'node', `${version}-${process.platform}-${process.arch}`);
  const retained = `node-${version}-${process.platform}-${process.arch}`;
  const command = {
    folder,
    environment: process.env,
    signal: options.signal,
    what: `Node ${version}`,
    todo: `Install Node ${version} and put it on the search path, or see that npm reaches its registry.`,
  };
  const { program } = await builtOnce(
    folder,
    async (): Promise<NodeManifest> => {
      const kept = join(folder, 'retained');
      const [archive] = (await options.retention.take(retained, kept)) ? fs.readdirSync(kept) : [];
      const wanted = archive === undefined ? [`${name}@${version}`] : ['--offline', `./retained/${archive}`];
      await runCommand('npm', ['install', '--no-save', '--no-package-lock', ...QUIET, ...wanted], command);
      fs.rmSync(kept, { recursive: true, force: true });
      const found = join('node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
      return { version, program: found };
    },
    options,
  );
  await options.retention.keep(retained, async (place) => {
    await runCommand('npm', ['pack', '--silent', '--pack-destination', place, `${name}@${version}`], {
      ...command,
      ...RETAIN_FAILED,
    });
  });
  return join(folder, program);
}

/** npm reads both. */
function layManifests(lock: string, folder: string): void {
  const manifest = join(dirname(lock), 'package.json');
  if (!fs.existsSync(manifest)) {
    throw new MlpipeError(`There is no package.json beside ${basename(lock)}.`, {
      code: 'lock-unknown',
      todo: 'Put it back: npm reads both.',
      exit: 2,
    });
  }
  fs.copyFileSync(manifest, join(folder, 'package.json'));
  fs.copyFileSync(lock, join(folder, basename(lock)));
}

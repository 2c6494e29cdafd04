/** Node in an exact version, and the packages of its lock file: built by npm, in the user's cache. */
import fs from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { type BuildOptions, builtOnce } from './built.ts';
import { runCommand } from './command.ts';
import type { LanguageNeed, ProvidedLanguage } from './provide.ts';

interface NodeManifest {
  version: string;
  /** Relative to the folder. */
  program: string;
}

interface ModulesManifest {
  lock: Digest;
  node: string;
  packages: Record<string, string>;
}

const LOCKS = new Set(['package-lock.json', 'npm-shrinkwrap.json']);

/**
 * A lock file is installed by `npm ci`, which takes nothing that differs from its integrity; install scripts do not run.
 *
 * @throws MlpipeError `provision-failed`, `lock-unknown`, `cancelled`
 */
export async function provideNode(need: LanguageNeed, cache: string, options: BuildOptions): Promise<ProvidedLanguage> {
  const program = need.program ?? (await installNode(need.version, cache, options));
  const provided: ProvidedLanguage = { searchPath: [dirname(program)], variables: {}, evidence: { node: program } };
  if (need.lock === undefined) return provided;
  const { file, digest } = need.lock;
  if (!LOCKS.has(basename(file))) {
    throw new MlpipeError(`${basename(file)} is no lock file that this version can install from.`, {
      code: 'lock-unknown',
      todo: 'Name a package-lock.json, which `npm install` writes.',
      exit: 2,
    });
  }
  const folder = join(
    cache,
    'node-packages',
    `${digest.slice(7, 39)}-${need.version}-${process.platform}-${process.arch}`,
  );
  const { packages } = await builtOnce(
    folder,
    () => installModules(need.version, program, need.lock, folder, options),
    options,
  );
  const modules = join(folder, 'node_modules');
  return {
    searchPath: [dirname(program), join(modules, '.bin')],
    variables: {},
    modules,
    evidence: { node: program, packages },
  };
}

async function installNode(version: string, cache: string, options: BuildOptions): Promise<string> {
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const name = `node-${system}-${process.arch}`;
  const folder = join(cache, 'node', `${version}-${process.platform}-${process.arch}`);
  const { program } = await builtOnce(
    folder,
    async (): Promise<NodeManifest> => {
      await runCommand(
        'npm',
        [
          'install',
          '--no-save',
          '--no-package-lock',
          '--ignore-scripts',
          '--no-audit',
          '--no-fund',
          `${name}@${version}`,
        ],
        {
          folder,
          environment: process.env,
          signal: options.signal,
          what: `Node ${version}`,
          todo: `Install Node ${version} and put it on the search path, or see that npm reaches its registry.`,
        },
      );
      const found = join('node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
      return { version, program: found };
    },
    options,
  );
  return join(folder, program);
}

async function installModules(
  version: string,
  program: string,
  lock: LanguageNeed['lock'],
  folder: string,
  options: BuildOptions,
): Promise<ModulesManifest> {
  if (lock === undefined) throw new TypeError('There is a lock file here.');
  const manifest = join(dirname(lock.file), 'package.json');
  if (!fs.existsSync(manifest)) {
    throw new MlpipeError(`There is no package.json beside ${basename(lock.file)}.`, {
      code: 'lock-unknown',
      todo: 'Put it back: npm reads both.',
      exit: 2,
    });
  }
  fs.copyFileSync(manifest, join(folder, 'package.json'));
  fs.copyFileSync(lock.file, join(folder, basename(lock.file)));
  const environment = { ...process.env, PATH: [dirname(program), process.env.PATH ?? ''].join(delimiter) };
  const common = {
    folder,
    environment,
    signal: options.signal,
    what: `The packages of ${basename(lock.file)}`,
    todo: 'See that npm reaches its registry and that the lock file fits package.json (`npm install` mends it).',
  };
  await runCommand('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], common);
  return { lock: lock.digest, node: version, packages: packagesOf(join(folder, 'node_modules', '.package-lock.json')) };
}

/** What npm says that it has laid down. */
function packagesOf(file: string): Record<string, string> {
  if (!fs.existsSync(file)) return {};
  // Written by npm a moment ago.
  const { packages = {} } = JSON.parse(fs.readFileSync(file, 'utf8')) as {
    packages?: Record<string, { version?: string; integrity?: string }>;
  };
  return Object.fromEntries(
    Object.entries(packages).map(([path, { version = '', integrity = '' }]) => [
      path.replace(/^.*node_modules\//, ''),
      [version, integrity].filter((word) => word !== '').join(' '),
    ]),
  );
}

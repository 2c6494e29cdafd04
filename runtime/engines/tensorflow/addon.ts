/**
 * The native addon between Node and a TensorFlow library: tfjs-node's own binding, over a loader that opens the library
 * at run time. One addon serves every version. A release brings it; elsewhere it is built from source once a user.
 */
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { userCache } from '../../environment/user-cache.ts';
import { MlpipeError } from '../../errors.ts';

const here = fileURLToPath(import.meta.url);
const isBundle = !here.endsWith('.ts');

const FLAGS = ['-std=c++17', '-O2', '-fPIC', '-shared', '-fvisibility=hidden', '-DNAPI_VERSION=8'] as const;
/** What Node itself brings is looked up when the addon is loaded; elsewhere than on macOS that is how it is anyway. */
const PLATFORM_FLAGS = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : ['-ldl'];
const UNITS = ['addon/loader.cc', 'addon/binding.cc', 'binding/tfjs_backend.cc'] as const;
const INCLUDES = ['addon/include', 'addon', 'binding', 'node-api'] as const;

const BUILD_MILLISECONDS = 180_000;

/** Where each part of the sources lies: beside the bundle in one folder, in the sources at three places. */
export function addonSources(): Record<'addon' | 'binding' | 'node-api', string> {
  if (isBundle) {
    const folder = join(dirname(here), 'tensorflow', 'source');
    return { addon: join(folder, 'addon'), binding: join(folder, 'binding'), 'node-api': join(folder, 'node-api') };
  }
  const require = createRequire(import.meta.url);
  const packageFolder = (name: string): string => dirname(require.resolve(`${name}/package.json`));
  return {
    addon: join(dirname(here), 'addon'),
    binding: join(packageFolder('@tensorflow/tfjs-node'), 'binding'),
    'node-api': join(packageFolder('node-api-headers'), 'include'),
  };
}

/** `mlpipe-tensorflow-linux-x64.node` */
export function addonName(): string {
  return `mlpipe-tensorflow-${process.platform}-${process.arch}.node`;
}

export type AddonState =
  | { state: 'ready'; path: string; origin: 'prebuilt' | 'built' }
  | { state: 'buildable'; compiler: string }
  | { state: 'impossible'; reason: string };

/** What there is, without starting any program. */
export function addonState(environment: NodeJS.ProcessEnv = process.env): AddonState {
  const prebuilt = join(dirname(here), 'tensorflow', addonName());
  if (isBundle && fs.existsSync(prebuilt)) return { state: 'ready', path: prebuilt, origin: 'prebuilt' };
  const built = builtPath(environment);
  if (built === undefined) {
    return { state: 'impossible', reason: 'this mlpipe brings no addon for this platform, and not its sources either' };
  }
  if (fs.existsSync(built)) return { state: 'ready', path: built, origin: 'built' };
  const compiler = compilerOnPath(environment);
  return compiler === undefined
    ? {
        state: 'impossible',
        reason:
          'this mlpipe brings no addon for this platform, and there is no C++ compiler to build it (install g++ or clang)',
      }
    : { state: 'buildable', compiler };
}

/** The addon's path; it is built where there is none yet. @throws MlpipeError `addon-missing`, `addon-broken` */
export async function ensureAddon(environment: NodeJS.ProcessEnv = process.env): Promise<string> {
  const found = addonState(environment);
  if (found.state === 'ready') return found.path;
  const target = builtPath(environment);
  if (found.state === 'impossible' || target === undefined) {
    throw new MlpipeError(
      `TensorFlow cannot be opened: ${found.state === 'impossible' ? found.reason : 'no sources'}.`,
      {
        code: 'addon-missing',
        todo: 'Install a C++ compiler (Debian, Ubuntu: `apt install g++`; macOS: `xcode-select --install`) and run it again.',
        exit: 2,
      },
    );
  }
  await buildAddon(found.compiler, target);
  return target;
}

/** Builds the addon. Whoever else builds the same meanwhile makes the same file, and the last one stays. */
export async function buildAddon(compiler: string, target: string): Promise<void> {
  fs.mkdirSync(dirname(target), { recursive: true });
  const making = `${target}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    await compile(compiler, making);
    fs.renameSync(making, target);
  } finally {
    fs.rmSync(making, { force: true });
  }
}

function compile(compiler: string, target: string): Promise<void> {
  const words = [
    ...FLAGS,
    ...INCLUDES.flatMap((path) => ['-I', sourcePath(path)]),
    ...UNITS.map(sourcePath),
    '-o',
    target,
    ...PLATFORM_FLAGS,
  ];
  return new Promise((resolve, reject) => {
    execFile(compiler, words, { timeout: BUILD_MILLISECONDS }, (error, _, stderr) => {
      if (!error) return resolve();
      const first = stderr.split('\n').find((line) => /error/i.test(line)) ?? error.message.split('\n')[0];
      reject(
        new MlpipeError(`The addon for TensorFlow could not be built by ${compiler}: ${first?.trim()}`, {
          code: 'addon-broken',
          todo: 'Use a compiler that knows C++17 (`CXX` names one), with the C++ standard library beside it.',
          exit: 2,
          cause: error,
        }),
      );
    });
  });
}

/** In the user's cache, under the digest of all that it is made of; nothing where the sources are not here. */
function builtPath(environment: NodeJS.ProcessEnv): string | undefined {
  const digest = sourcesDigest();
  return digest === undefined
    ? undefined
    : join(userCache(environment), 'tensorflow-addon', `${digest.slice(0, 32)}-${addonName()}`);
}

let knownDigest: string | undefined;

function sourcesDigest(): string | undefined {
  if (knownDigest !== undefined) return knownDigest;
  const hash = createHash('sha256');
  hash.update(JSON.stringify([process.platform, process.arch, FLAGS, PLATFORM_FLAGS, UNITS, INCLUDES]));
  try {
    for (const folder of Object.values(addonSources())) {
      const files = fs.readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
      for (const file of files) {
        if (!/\.(cc|h|inc)$/.test(file)) continue;
        hash.update(`\n${file}\n`);
        hash.update(fs.readFileSync(join(folder, file)));
      }
    }
  } catch {
    return undefined;
  }
  knownDigest = hash.digest('hex');
  return knownDigest;
}

function sourcePath(path: string): string {
  const [part = '', ...rest] = path.split('/');
  const sources = addonSources();
  // The lists above name no other part.
  return join(sources[part as keyof typeof sources], ...rest);
}

export function compilerOnPath(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const names = [environment.CXX ?? '', 'c++', 'g++', 'clang++'].filter((name) => name !== '');
  const folders = (environment.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const name of names) {
    if (name.includes('/') && fs.existsSync(name)) return name;
    for (const folder of folders) if (fs.existsSync(join(folder, name))) return join(folder, name);
  }
  return undefined;
}

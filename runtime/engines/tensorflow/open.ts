/** Opens an installed TensorFlow in this process. One a process, under one set of switches. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { relative, sep } from 'node:path';
import { userCache } from '../../environment/user-cache.ts';
import { MlpipeError } from '../../errors.ts';
import { ensureAddon } from './addon.ts';
import { platformHere } from './here.ts';
import { findInstalled, type InstalledTensorflow } from './installed.ts';
import { applySettings, settingsIdentity, type TensorflowSettings } from './settings.ts';
import { wheelVersion } from './version.ts';

/** What the addon gives, as far as it is looked at here; tfjs-node knows the rest. */
export interface Binding {
  TF_Version: string;
  isUsingGpuDevice(): boolean;
}

export interface OpenTensorflow {
  binding: Binding;
  identity: Record<string, string>;
  evidence: Record<string, string>;
}

let opened: { version: string; settings: string; result: Promise<OpenTensorflow> } | undefined;

/**
 * The binding over exactly this version.
 *
 * @throws MlpipeError `engine-missing`, `engine-damaged`, `engine-impossible`, `engine-failed`, `addon-missing`
 */
export function openTensorflowLibrary(version: string, settings: TensorflowSettings): Promise<OpenTensorflow> {
  const wanted = JSON.stringify(settings);
  if (opened === undefined) {
    const result = open(version, settings);
    opened = { version, settings: wanted, result };
    // Where nothing was opened, another attempt may do better.
    result.catch(() => {
      opened = undefined;
    });
    return result;
  }
  if (opened.version === version && opened.settings === wanted) return opened.result;
  return Promise.reject(
    new MlpipeError(
      `This process has opened TensorFlow ${opened.version} already, with other switches or another version.`,
      {
        code: 'engine-failed',
        todo: 'Open each in a process of its own, as a run does.',
      },
    ),
  );
}

async function open(version: string, settings: TensorflowSettings): Promise<OpenTensorflow> {
  platformHere();
  const exact = wheelVersion(version);
  const installed = exact === undefined ? undefined : findInstalled(version, settings.distribution);
  if (installed === undefined) {
    throw new MlpipeError(`TensorFlow ${version} (${settings.distribution}) is not installed.`, {
      code: 'engine-missing',
      todo: `Run \`mlpipe engine install tensorflow@${version}${settings.distribution === 'gpu' ? ' --gpu' : ''}\`.`,
      exit: 2,
    });
  }
  const addonPath = await ensureAddon();
  // Before the library is there: it reads them when it is opened.
  applySettings(settings, process.env);
  const binding = bind(addonPath, installed);
  // The library knows nothing of a package that was made once more.
  const reported = [exact, version].map((each) => each?.replace(/[-.]post\d+$/, ''));
  if (!reported.includes(binding.TF_Version)) {
    throw new MlpipeError(`The library of TensorFlow ${version} says that it is ${binding.TF_Version}.`, {
      code: 'engine-damaged',
      todo: `Run \`mlpipe engine remove tensorflow@${version}\`, and install it anew.`,
      exit: 2,
    });
  }
  return {
    binding,
    identity: settingsIdentity(settings),
    evidence: {
      reported: binding.TF_Version,
      ...evidenceOf(installed),
      loaded: loadedLibraries().join(', '),
      addon: `sha256:${createHash('sha256').update(readFileSync(addonPath)).digest('hex')}`,
    },
  };
}

function bind(addonPath: string, installed: InstalledTensorflow): Binding {
  try {
    // Our own addon, whose one function this is.
    const addon = createRequire(import.meta.url)(addonPath) as { open(path: string): Binding };
    return addon.open(installed.library);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MlpipeError(`TensorFlow ${installed.manifest.version} could not be opened: ${why}`, {
      code: 'engine-failed',
      todo: `Run \`mlpipe engine verify tensorflow@${installed.manifest.version}\` to see whether it is whole.`,
      exit: 2,
      cause,
    });
  }
}

function evidenceOf({ manifest: { source, libraries } }: InstalledTensorflow): Record<string, string> {
  return {
    wheel: source.file,
    wheelDigest: `sha256:${source.sha256}`,
    ...Object.fromEntries(libraries.map(({ name, sha256 }) => [name, `sha256:${sha256}`])),
  };
}

/** The TensorFlow libraries that this process has mapped, relative to the user's cache where they lie in it. */
export function loadedLibraries(): string[] {
  if (process.platform !== 'linux') return ['unknown: only Linux tells'];
  const cache = userCache();
  const paths = readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .flatMap((line) => /\s(\/\S.*libtensorflow[^/]*)$/.exec(line)?.[1] ?? []);
  return [...new Set(paths)].map((path) => (path.startsWith(cache + sep) ? relative(cache, path) : path)).sort();
}

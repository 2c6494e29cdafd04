/** A project's remotes: added after a try, listed, removed, and one of them the default. */
import { isAbsolute, relative, resolve } from 'node:path';
import { EXIT, MlpipeError } from '../errors.ts';
import type { Project } from '../project.ts';
import type { RemoteDriver } from '../store/remotes/driver.ts';
import { isMade, makeRemote, upgradeRemote } from '../store/remotes/format.ts';
import { kindOf, openRemote, type RemoteKind } from '../store/remotes/open.ts';
import { type Probe, probeRemote } from '../store/remotes/probe.ts';
import {
  chosenRemote,
  type NamedRemote,
  type RemoteSettings,
  readSettings,
  remoteOf,
  writeSettings,
} from '../store/remotes/settings.ts';
import { openLine, type TransferOptions } from '../store/remotes/transfer.ts';
import { forgetRemote } from './known.ts';

export interface AddedRemote extends Probe {
  name: string;
  url: string;
  kind: RemoteKind;
  default: boolean;
}

/**
 * Tries a remote, makes it ready, and writes it into the project's settings; the first one becomes the default.
 *
 * @throws MlpipeError `remote-name`, `remote-address`, `remote-credential`, `remote-format`, what reaching it throws
 */
export async function addRemote(
  project: Project,
  name: string,
  settings: RemoteSettings,
  options: { folder?: string; makeDefault?: boolean; replace?: boolean } = {},
): Promise<AddedRemote> {
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw new MlpipeError(`${name} cannot be the name of a remote.`, {
      code: 'remote-name',
      todo: 'Use letters, digits, `.`, `_` and `-`.',
      exit: EXIT.usage,
    });
  }
  const all = readSettings(project.root);
  if (all.remotes[name] !== undefined && !options.replace) {
    throw new MlpipeError(`There is a remote ${name} already: ${all.remotes[name].url}.`, {
      code: 'remote-name',
      todo: `Choose another name, or remove it first: \`mlpipe remote remove ${name}\`.`,
      exit: EXIT.usage,
    });
  }
  const kind = kindOf(settings.url);
  const remote: NamedRemote = {
    name,
    settings: { ...settings, url: rooted(project.root, settings.url, options.folder) },
  };
  const probe = await withDriver(project, remote, async (driver) => {
    const line = openLine(driver);
    await isMade(line);
    const found = await probeRemote(driver);
    if (found.write) await makeRemote(line);
    return found;
  });
  const isDefault = options.makeDefault === true || all.defaultRemote === undefined;
  writeSettings(project.root, {
    ...all,
    remotes: { ...all.remotes, [name]: remote.settings },
    ...(isDefault ? { defaultRemote: name } : {}),
  });
  return { name, url: remote.settings.url, kind, default: isDefault, ...probe };
}

export interface ListedRemote {
  name: string;
  url: string;
  kind: RemoteKind;
  default: boolean;
}

export function listRemotes(project: Project): ListedRemote[] {
  const settings = readSettings(project.root);
  const chosen = remoteOf(settings)?.name;
  return Object.entries(settings.remotes).map(([name, { url }]) => ({
    name,
    url,
    kind: kindOf(url),
    default: name === chosen,
  }));
}

/** Takes it out of the settings; what lies there stays. */
export function removeRemote(project: Project, name: string): void {
  const settings = readSettings(project.root);
  mustKnow(settings.remotes, name);
  const { [name]: _, ...remotes } = settings.remotes;
  const { defaultRemote, ...others } = settings;
  writeSettings(project.root, {
    ...others,
    remotes,
    ...(defaultRemote === undefined || defaultRemote === name ? {} : { defaultRemote }),
  });
  forgetRemote(project.store.folder, name);
}

export function setDefaultRemote(project: Project, name: string): void {
  const settings = readSettings(project.root);
  mustKnow(settings.remotes, name);
  writeSettings(project.root, { ...settings, defaultRemote: name });
}

/**
 * Lets a remote from before packs have some from now on. Answers whether it was from before.
 *
 * @throws MlpipeError `remote-unknown`, `remote-empty`, what reaching it throws
 */
export async function upgrade(project: Project, name: string): Promise<boolean> {
  const remote = chosenRemote(project.root, name);
  return withDriver(project, remote, (driver) => upgradeRemote(openLine(driver)));
}

/** Opens a remote, hands it on, and closes it whatever happens. */
export async function withDriver<Result>(
  project: Pick<Project, 'root'> & { store?: { folder: string } },
  remote: NamedRemote,
  use: (driver: RemoteDriver) => Promise<Result>,
  { around = (driver) => driver }: Pick<TransferOptions, 'around'> = {},
): Promise<Result> {
  const driver = around(await openRemote(project.root, remote, project.store?.folder));
  try {
    return await use(driver);
  } finally {
    await driver.close();
  }
}

function mustKnow(remotes: Readonly<Record<string, RemoteSettings>>, name: string): void {
  if (remotes[name] !== undefined) return;
  const known = Object.keys(remotes);
  throw new MlpipeError(`There is no remote ${name}.`, {
    code: 'remote-unknown',
    todo:
      known.length === 0
        ? 'The project has none; add one with `mlpipe remote add`.'
        : `Name one of ${known.join(', ')}.`,
    exit: EXIT.usage,
  });
}

/** A relative folder is meant from where it was typed, and is kept as seen from the project's root. */
function rooted(root: string, url: string, folder = root): string {
  if (kindOf(url) !== 'folder' || url.startsWith('file:') || isAbsolute(url)) return url;
  return relative(root, resolve(folder, url)).replaceAll('\\', '/') || '.';
}

/** Where a DVC project keeps contents: its cache, and those of its remotes that are folders of this machine. */
import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT, MlpipeError } from '../../errors.ts';
import { readSmall } from '../files.ts';

export interface DvcProject {
  /** The folder that holds `.dvc`. */
  root: string;
  /** Folders that may hold contents, the likeliest first. */
  places: string[];
  /** Remotes that are no folders, by name, to say where contents may be. */
  elsewhere: string[];
}

const LARGEST_CONFIG = 2 ** 20;

/**
 * The DVC project that a folder belongs to.
 *
 * @param top above which it is not looked for
 * @throws MlpipeError `dvc-missing`
 */
export function dvcProject(folder: string, top: string): DvcProject {
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (fs.statSync(join(at, '.dvc'), { throwIfNoEntry: false })?.isDirectory()) return projectAt(at);
    if (at === resolve(top) || dirname(at) === at) break;
  }
  throw new MlpipeError(`There is no DVC project in ${folder}: no folder .dvc.`, {
    code: 'dvc-missing',
    todo: 'Import where `dvc init` was run, or in a clone of it.',
    exit: EXIT.usage,
  });
}

function projectAt(root: string): DvcProject {
  const folder = join(root, '.dvc');
  const places: string[] = [];
  const elsewhere: string[] = [];
  const settings = new Map<string, string>();
  for (const name of ['config', 'config.local']) {
    const file = join(folder, name);
    if (!fs.existsSync(file)) continue;
    for (const [key, value] of parseConfig(readSmall(file, LARGEST_CONFIG).toString('utf8'))) settings.set(key, value);
  }
  places.push(resolve(folder, settings.get('cache.dir') ?? 'cache'));
  for (const [key, url] of settings) {
    const [, remote] = /^remote\.(.*)\.url$/.exec(key) ?? [];
    if (remote === undefined) continue;
    const local = localFolder(url, folder);
    if (local === undefined) elsewhere.push(remote);
    // What `dvc push` would write to is the likeliest to have it.
    else if (settings.get('core.remote') === remote) places.splice(1, 0, local);
    else places.push(local);
  }
  return { root, places: [...new Set(places)], elsewhere };
}

function localFolder(url: string, folder: string): string | undefined {
  if (url.startsWith('file://')) return fileURLToPath(url);
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(url) ? undefined : resolve(folder, url);
}

/** `core.remote` → `here`, `remote.here.url` → `../../remote`: sections as Python's configparser has them. */
export function parseConfig(text: string): Map<string, string> {
  const found = new Map<string, string>();
  let section = '';
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const [, heading] = /^\[(.*)\]$/.exec(line) ?? [];
    if (heading !== undefined) {
      const [, kind = '', name = ''] = /^'?(\w+)\s*(?:"(.*)")?'?$/.exec(heading) ?? [];
      section = name === '' ? kind : `${kind}.${name}`;
      continue;
    }
    const at = line.indexOf('=');
    if (at > 0) found.set(`${section}.${line.slice(0, at).trim()}`, line.slice(at + 1).trim());
  }
  return found;
}

/** Which remotes a project has: `mlpipe.json` at its root, committed, so that who clones it has them, too. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { EXIT, MlpipeError } from '../../errors.ts';
import { readFailure, writeFailure } from '../errors.ts';
import { hasCode } from '../filesystem.ts';

export const SETTINGS_NAME = 'mlpipe.json';

export interface RemoteSettings {
  url: string;
  /** S3 alone: where it is not Amazon's. */
  endpoint?: string;
  region?: string;
  /** S3 alone: the bucket stands in the path and not in the host's name. */
  pathStyle?: boolean;
}

export interface ProjectSettings {
  remotes: Record<string, RemoteSettings>;
  defaultRemote?: string;
}

/** @throws MlpipeError `settings-damaged`, `remote-credential` */
export function readSettings(root: string): ProjectSettings {
  const path = join(root, SETTINGS_NAME);
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return { remotes: {} };
    throw readFailure(path, error);
  }
  const value = parsed(text);
  if (!isSettings(value)) {
    throw new MlpipeError(`${path} is not as mlpipe writes it.`, {
      code: 'settings-damaged',
      todo: 'Mend it by hand (docs/remotes.md shows one), or remove it and add the remotes again.',
      exit: EXIT.usage,
    });
  }
  for (const { url, endpoint } of Object.values(value.remotes)) {
    refuseCredentials(url);
    if (endpoint !== undefined) refuseCredentials(endpoint);
  }
  return value;
}

/** Keeps what else stands in the file. There whole or not at all. */
export function writeSettings(root: string, settings: ProjectSettings): void {
  const path = join(root, SETTINGS_NAME);
  const before = fs.existsSync(path) ? parsed(fs.readFileSync(path, 'utf8')) : {};
  const others = typeof before === 'object' && before !== null ? before : {};
  const { defaultRemote, remotes } = settings;
  const value: Record<string, unknown> = { ...others, remotes };
  if (defaultRemote === undefined) delete value.defaultRemote;
  else value.defaultRemote = defaultRemote;
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}`;
  try {
    fs.writeFileSync(temporary, `${JSON.stringify(value, undefined, 2)}\n`, { flush: true });
    fs.renameSync(temporary, path);
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw writeFailure(path, error);
  }
}

export interface NamedRemote {
  name: string;
  settings: RemoteSettings;
}

/**
 * The remote that is meant: the named one, the default, or the only one.
 *
 * @throws MlpipeError `remote-unknown`, `remote-missing`
 */
export function chosenRemote(root: string, name?: string): NamedRemote {
  const settings = readSettings(root);
  const found = remoteOf(settings, name);
  if (found !== undefined) return found;
  const known = Object.keys(settings.remotes);
  if (name !== undefined) {
    throw new MlpipeError(`There is no remote ${name}.`, {
      code: 'remote-unknown',
      todo: known.length === 0 ? `Add it: \`mlpipe remote add ${name} URL\`.` : `Name one of ${known.join(', ')}.`,
      exit: EXIT.usage,
    });
  }
  throw new MlpipeError(known.length === 0 ? 'The project has no remote.' : 'The project has no default remote.', {
    code: 'remote-missing',
    todo:
      known.length === 0
        ? 'Add one: `mlpipe remote add NAME URL`.'
        : `Name one with \`-r\`, or choose one: \`mlpipe remote default ${known[0]}\`.`,
    exit: EXIT.usage,
  });
}

/** As `chosenRemote`, but nothing where there is none. */
export function remoteOf(settings: ProjectSettings, name?: string): NamedRemote | undefined {
  const known = Object.keys(settings.remotes);
  const meant = name ?? settings.defaultRemote ?? (known.length === 1 ? known[0] : undefined);
  const found = meant === undefined ? undefined : settings.remotes[meant];
  return meant === undefined || found === undefined ? undefined : { name: meant, settings: found };
}

/** @throws MlpipeError `remote-credential` */
export function refuseCredentials(url: string): void {
  const match = /^[a-z][a-z0-9+.-]*:\/\/([^\s/?#]*)@/i.exec(url);
  // The user's name of an SSH address is no secret and is needed to reach it.
  const inUser = match !== null && !(/^(ssh|sftp):/i.test(url) && !match[1]?.includes(':'));
  const inQuery = /[?&][^=&\s]*(?:token|key|secret|password|signature|credential|sig)[^=&\s]*=/i.test(url);
  if (!inUser && !inQuery) return;
  throw new MlpipeError('The address holds a credential, and would be committed with it.', {
    code: 'remote-credential',
    todo: 'Leave it out; docs/remotes.md says where each kind of remote looks for its credentials.',
    exit: EXIT.usage,
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Said by the caller, in the words of what it is for.
    return undefined;
  }
}

function isSettings(value: unknown): value is ProjectSettings {
  if (typeof value !== 'object' || value === null) return false;
  const { remotes = {}, defaultRemote } = value as Record<string, unknown>;
  if (defaultRemote !== undefined && typeof defaultRemote !== 'string') return false;
  if (typeof remotes !== 'object' || remotes === null) return false;
  // A file that speaks of other things alone names no remotes.
  (value as Record<string, unknown>).remotes = remotes;
  return Object.values(remotes).every((remote: unknown) => {
    if (typeof remote !== 'object' || remote === null) return false;
    const { url, endpoint, region, pathStyle } = remote as Record<string, unknown>;
    return (
      typeof url === 'string' &&
      [endpoint, region].every((each) => each === undefined || typeof each === 'string') &&
      (pathStyle === undefined || typeof pathStyle === 'boolean')
    );
  });
}

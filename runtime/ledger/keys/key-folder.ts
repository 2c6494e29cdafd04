/**
 * A person's own keys: in the user's configuration folder, never in a project, readable by nobody else. The private key
 * leaves this file only as a function that signs.
 */
import { createPrivateKey, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import fs from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { EXIT, MlpipeError } from '../../errors.ts';
import { hasCode } from '../../store/filesystem.ts';
import { type KeyId, type PublicKey, publicKeyOf } from './public-key.ts';

export interface OwnKey {
  key: PublicKey;
  /** Signs by Ed25519 (RFC 8032). */
  sign(content: Uint8Array): Buffer;
}

/**
 * Where keys lie: `MLPIPE_CONFIG`, else `mlpipe` in `$XDG_CONFIG_HOME`, `%APPDATA%` or `~/Library/Application Support`,
 * else in `~/.config`; there in `keys`.
 */
export function keyFolder(environment: NodeJS.ProcessEnv = process.env, platform = process.platform): string {
  const { MLPIPE_CONFIG: own, XDG_CONFIG_HOME: xdg, APPDATA: appData } = environment;
  if (own) return join(own, 'keys');
  if (platform === 'win32') return join(appData || join(homedir(), 'AppData', 'Roaming'), 'mlpipe', 'keys');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'mlpipe', 'keys');
  return join(xdg || join(homedir(), '.config'), 'mlpipe', 'keys');
}

/** Names the key that signs. */
const CURRENT = 'current';

/** The key that signs, or nothing where there is none yet. @throws MlpipeError `key-unreadable` */
export function currentKey(folder: string): OwnKey | undefined {
  let id: string;
  try {
    id = fs.readFileSync(join(folder, CURRENT), 'utf8').trim();
  } catch (error) {
    if (hasCode(error, 'ENOENT', 'ENOTDIR')) return undefined;
    throw unusable(folder, error);
  }
  return ownKey(folder, id);
}

/** The key that signs; it is made where there is none. @throws MlpipeError `key-unreadable`, `key-unwritable` */
export function keyToSignWith(folder: string): OwnKey {
  return currentKey(folder) ?? makeKey(folder, false);
}

/**
 * Makes a key and signs with it from now on. Two processes that make the first key at once end up with the same one.
 *
 * @param replace whether it takes the place of one that is there
 */
export function makeKey(folder: string, replace: boolean): OwnKey {
  const { privateKey } = generateKeyPairSync('ed25519');
  const key = publicKeyOf(privateKey);
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    writeDurably(join(folder, `${key.id}.pem`), privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600);
    writeDurably(join(folder, `${key.id}.pub`), `${key.text} mlpipe\n`, 0o644);
    const current = join(folder, CURRENT);
    const temporary = `${current}.${process.pid}-${randomBytes(4).toString('hex')}`;
    writeDurably(temporary, `${key.id}\n`, 0o644);
    if (replace) {
      fs.renameSync(temporary, current);
    } else {
      try {
        fs.linkSync(temporary, current);
      } catch (error) {
        // Another process was faster: its key is the one.
        if (!hasCode(error, 'EEXIST')) throw error;
        for (const suffix of ['pem', 'pub']) fs.rmSync(join(folder, `${key.id}.${suffix}`), { force: true });
      } finally {
        fs.rmSync(temporary, { force: true });
      }
    }
  } catch (error) {
    throw new MlpipeError(`A key to sign records with cannot be kept in ${folder}: ${reason(error)}.`, {
      code: 'key-unwritable',
      todo: 'Give yourself the right to write there, or name another folder in MLPIPE_CONFIG.',
      exit: EXIT.usage,
      cause: error,
    });
  }
  const made = currentKey(folder);
  if (made) return made;
  throw unusable(folder, new Error('it was taken away again'));
}

/** All that lie here, the one that signs first. */
export function ownKeys(folder: string): { id: KeyId; current: boolean }[] {
  const now = currentKey(folder)?.key.id;
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  const ids = names.flatMap((name) => /^([0-9a-f]{32})\.pem$/.exec(name)?.[1] ?? []).sort();
  return ids
    .map((id) => ({ id, current: id === now }))
    .sort((one, other) => Number(other.current) - Number(one.current));
}

/** @throws MlpipeError `key-unreadable` */
export function ownKey(folder: string, id: KeyId): OwnKey {
  const path = join(folder, `${id}.pem`);
  try {
    const secret = createPrivateKey(fs.readFileSync(path));
    const key = publicKeyOf(secret);
    if (key.id !== id) throw new Error('its content is another key');
    if (process.platform !== 'win32' && (fs.statSync(path).mode & 0o077) !== 0) {
      // Whoever could read it could sign in this person's name; from now on nobody else can.
      fs.chmodSync(path, 0o600);
    }
    return { key, sign: (content) => sign(null, content, secret) };
  } catch (error) {
    throw unusable(path, error);
  }
}

function writeDurably(path: string, text: string, mode: number): void {
  const file = fs.openSync(path, 'wx', mode);
  try {
    fs.writeSync(file, text);
    fs.fsyncSync(file);
  } finally {
    fs.closeSync(file);
  }
}

/** The cause is not carried along: what OpenSSL says of a key that it cannot read may quote it. */
function unusable(path: string, error: unknown): MlpipeError {
  return new MlpipeError(`The key in ${path} cannot be used: ${reason(error)}.`, {
    code: 'key-unreadable',
    todo: 'Bring it back from a copy, or make another with `mlpipe keys rotate`.',
    exit: EXIT.usage,
  });
}

function reason(error: unknown): string {
  if (hasCode(error, 'ENOENT')) return 'it is not there';
  if (hasCode(error, 'EACCES', 'EPERM', 'EROFS')) return 'that is not allowed';
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/^ERR_OSSL|^ERR_/.test(code)) return 'it is no private key';
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}

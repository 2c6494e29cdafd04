/**
 * A key that is given to this one process, as CI gives its secrets: `MLPIPE_SIGNING_KEY` holds a private key (PKCS #8,
 * PEM), or `MLPIPE_SIGNING_KEY_FILE` names a file that does. Both are taken out of the environment before anything else
 * is begun, so that no program that is started sees them; the key stays in memory, as a function that signs.
 */
import { createPrivateKey, sign } from 'node:crypto';
import fs from 'node:fs';
import { EXIT, MlpipeError } from '../../errors.ts';
import type { OwnKey } from './key-folder.ts';
import { publicKeyOf } from './public-key.ts';

const TEXT = 'MLPIPE_SIGNING_KEY';
const FILE = 'MLPIPE_SIGNING_KEY_FILE';

let given: { name: string; read: () => string } | undefined;
let key: OwnKey | undefined;

/** Takes the key out of the environment. Whoever starts a program of mlpipe's calls it first; a second call does nothing. */
export function takeGivenKey(environment: NodeJS.ProcessEnv = process.env): void {
  const { [TEXT]: text, [FILE]: path } = environment;
  delete environment[TEXT];
  delete environment[FILE];
  if (text) given = { name: TEXT, read: () => text };
  else if (path) given = { name: FILE, read: () => fs.readFileSync(path, 'utf8') };
  else return;
  key = undefined;
}

/** Which variable has given a key; nothing where none has. */
export function givenKeyName(): string | undefined {
  takeGivenKey();
  return given?.name;
}

/** The key that was given, or nothing where none was. @throws MlpipeError `key-unreadable`, which quotes nothing of it */
export function givenKey(): OwnKey | undefined {
  takeGivenKey();
  if (given === undefined || key !== undefined) return key;
  try {
    // Some CI hands a secret over on one line.
    const secret = createPrivateKey(given.read().replaceAll('\\n', '\n'));
    key = { key: publicKeyOf(secret), sign: (content) => sign(null, content, secret) };
    return key;
  } catch {
    // What OpenSSL says of a key that it cannot read may quote it.
    throw new MlpipeError(`What ${given.name} gives is no private key of Ed25519.`, {
      code: 'key-unreadable',
      todo: 'Give one as PKCS #8 in PEM, not encrypted: `openssl genpkey -algorithm ed25519` makes one.',
      exit: EXIT.usage,
    });
  }
}

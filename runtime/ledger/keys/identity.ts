/** With what this person signs: a key of mlpipe's own or one that is given, and git's, where there is one. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { git } from '../git.ts';
import type { Signer } from '../signature.ts';
import { givenKey } from './given-key.ts';
import { gpgKey, signWithGpg } from './gpg-signature.ts';
import { currentKey, keyFolder, keyToSignWith, type OwnKey } from './key-folder.ts';
import { type PublicKey, parsePublicKey } from './public-key.ts';
import { publicKeyBeside, signWithSsh } from './ssh-signature.ts';

export interface Identity {
  /** Signs every record, and the log. Made where there is none. @throws MlpipeError `key-unwritable`, `key-unreadable` */
  own(): OwnKey;
  /** The same, where there is one. @throws MlpipeError `key-unreadable` */
  existing(): OwnKey | undefined;
  /** Signs every record, too. */
  others(): Promise<Signer[]>;
}

/** @param folder of the project: git's configuration may differ from one to the other */
export function identityIn(folder: string, keys = keyFolder()): Identity {
  let own: OwnKey | undefined;
  let others: Promise<Signer[]> | undefined;
  return {
    own() {
      own ??= givenKey() ?? keyToSignWith(keys);
      return own;
    },
    existing: () => own ?? givenKey() ?? currentKey(keys),
    others() {
      others ??= gitSigner(folder).then((signer) => (signer ? [signer] : []));
      return others;
    },
  };
}

/** What git signs with here, where somebody has set that. */
export async function gitSigner(folder: string): Promise<Signer | undefined> {
  const configured = async (...words: string[]) => {
    const { code, stdout } = await git(folder, ['config', ...words]);
    return code === 0 ? stdout.toString('utf8').trim() : undefined;
  };
  const name = await configured('--get', 'user.signingkey');
  if (!name) return undefined;
  const [format = 'openpgp', program = 'gpg'] = await Promise.all([
    configured('--get', 'gpg.format'),
    configured('--get', 'gpg.program'),
  ]);
  if (format === 'ssh') return sshSigner(name, await configured('--type=path', '--get', 'user.signingkey'));
  if (format !== 'openpgp') return undefined;
  const line = await gpgKey(program, name);
  if (line === undefined) return undefined;
  const key = parsePublicKey(line);
  return { key, scheme: 'openpgp', sign: (content) => signWithGpg(program, key, content) };
}

/** The key is named by its file, or written out; then the agent has its other half. */
async function sshSigner(name: string, path = name): Promise<Signer | undefined> {
  const literal = /^(?:key::)?((?:ssh|ecdsa|sk)-\S+ \S+)/.exec(name)?.[1];
  const line = literal ?? (await publicKeyBeside(path));
  const key = line === undefined ? undefined : readKey(line);
  // A key that must be touched cannot sign what runs by itself.
  if (key === undefined || key.type.startsWith('sk-')) return undefined;
  if (literal === undefined) return { key, scheme: 'sshsig', sign: (content) => signWithSsh(path, content) };
  return {
    key,
    scheme: 'sshsig',
    async sign(content) {
      const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-key-'));
      try {
        const file = join(folder, 'key.pub');
        fs.writeFileSync(file, `${key.text}\n`);
        return await signWithSsh(file, content);
      } finally {
        fs.rmSync(folder, { recursive: true, force: true });
      }
    },
  };
}

function readKey(line: string): PublicKey | undefined {
  try {
    return parsePublicKey(line);
  } catch {
    return undefined;
  }
}

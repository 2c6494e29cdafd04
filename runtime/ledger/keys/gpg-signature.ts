/** Signatures of GPG: made and checked by `gpg`, with the keys that the user's own keyring has. */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PublicKey } from './public-key.ts';
import { runProgram } from './ssh-signature.ts';

const QUIET = ['--batch', '--no-tty', '--status-fd', '2'];

/** The fingerprint of the secret key that a person calls so, as a public key's line; nothing where there is none. */
export async function gpgKey(program: string, name: string): Promise<string | undefined> {
  const words = [...QUIET, '--with-colons', '--fingerprint', '--list-secret-keys', '--', name];
  const { code, stdout } = await runProgram(program, words, new Uint8Array());
  const fingerprint = code === 0 ? /^fpr:+([0-9A-F]{40}):/m.exec(stdout)?.[1] : undefined;
  return fingerprint === undefined ? undefined : `openpgp4fpr:${fingerprint}`;
}

/** @returns the signature, or why there is none */
export async function signWithGpg(
  program: string,
  key: PublicKey,
  content: Uint8Array,
): Promise<Buffer | { problem: string }> {
  const words = [...QUIET, '--pinentry-mode', 'error', '--local-user', fingerprintOf(key), '--detach-sign'];
  const { code, stdout, stderr } = await runProgram(program, words, content);
  if (code === 0 && stdout !== '') return Buffer.from(stdout, 'latin1');
  return { problem: stderr.split('\n').find((line) => line.startsWith('gpg:')) ?? 'gpg cannot be run' };
}

/** Whether a key has signed this; nothing where gpg, or the key in its keyring, is not here. */
export async function isSignedByGpg(
  key: PublicKey,
  content: Uint8Array,
  signature: Buffer,
): Promise<boolean | undefined> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-signature-'));
  try {
    const file = join(folder, 'signature');
    fs.writeFileSync(file, signature);
    const { code, stderr } = await runProgram('gpg', [...QUIET, '--verify', file, '-'], content);
    if (code === -1 || /\[GNUPG:\] NO_PUBKEY/.test(stderr)) return undefined;
    // A subkey may have signed: the primary key's fingerprint is the last word of the line.
    const line = /^\[GNUPG:\] VALIDSIG ([0-9A-F]{40}).* ([0-9A-F]{40})$/m.exec(stderr);
    return code === 0 && [line?.[1], line?.[2]].includes(fingerprintOf(key));
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

function fingerprintOf({ text }: PublicKey): string {
  return text.slice('openpgp4fpr:'.length);
}

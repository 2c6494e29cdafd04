/**
 * Signatures of OpenSSH (PROTOCOL.sshsig): made by `ssh-keygen`, which knows agents, smart cards and passphrases, and
 * checked here where the key is Ed25519, else by `ssh-keygen`, too.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash, verify } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PublicKey, readString, sshString, verifyingKey } from './public-key.ts';

/** A signature that was made for git, or for a file, is none of a record. */
const NAMESPACE = 'mlpipe';
const MAGIC = Buffer.from('SSHSIG');
const PATIENCE = 20_000;

/**
 * Signs with the key in a file, or with the one in the agent that belongs to a public key's file. Nobody is asked for a
 * passphrase: there may be nobody.
 *
 * @returns the signature, or why there is none
 */
export async function signWithSsh(keyFile: string, content: Uint8Array): Promise<Buffer | { problem: string }> {
  const answer = await runProgram('ssh-keygen', ['-Y', 'sign', '-n', NAMESPACE, '-f', keyFile], content);
  if (answer.code !== 0) return { problem: answer.stderr.split('\n')[0] || 'ssh-keygen cannot be run' };
  const signature = dearmour(answer.stdout);
  return signature ?? { problem: 'ssh-keygen answered no signature' };
}

/** Whether a key has signed this; nothing where that cannot be told here. */
export async function isSignedBySsh(
  key: PublicKey,
  content: Uint8Array,
  signature: Buffer,
): Promise<boolean | undefined> {
  const parts = parse(signature);
  if (parts === undefined || !parts.key.equals(Buffer.from(key.text.split(' ')[1] ?? '', 'base64'))) return false;
  if (parts.namespace !== NAMESPACE) return false;
  const object = verifyingKey(key);
  if (object === undefined) return isSignedByProgram(key, content, signature);
  if (parts.hash !== 'sha256' && parts.hash !== 'sha512') return false;
  const signed = Buffer.concat([
    MAGIC,
    sshString(NAMESPACE),
    sshString(parts.reserved),
    sshString(parts.hash),
    sshString(createHash(parts.hash).update(content).digest()),
  ]);
  if (readString(parts.signature, 0).toString('latin1') !== 'ssh-ed25519') return false;
  return verify(null, signed, object, readString(parts.signature, 15));
}

async function isSignedByProgram(key: PublicKey, content: Uint8Array, signature: Buffer): Promise<boolean | undefined> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-signature-'));
  try {
    const [signers, file] = [join(folder, 'signers'), join(folder, 'signature')];
    fs.writeFileSync(signers, `writer namespaces="${NAMESPACE}" ${key.text}\n`);
    fs.writeFileSync(file, armour(signature));
    const words = ['-Y', 'verify', '-n', NAMESPACE, '-f', signers, '-I', 'writer', '-s', file];
    const answer = await runProgram('ssh-keygen', words, content);
    return answer.code === -1 ? undefined : answer.code === 0;
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

interface SshSignature {
  key: Buffer;
  namespace: string;
  reserved: Buffer;
  hash: string;
  signature: Buffer;
}

function parse(bytes: Buffer): SshSignature | undefined {
  if (bytes.length < 10 || !bytes.subarray(0, 6).equals(MAGIC) || bytes.readUInt32BE(6) !== 1) return undefined;
  const strings: Buffer[] = [];
  let offset = 10;
  for (let part = 0; part < 5; part += 1) {
    const found = readString(bytes, offset);
    strings.push(found);
    offset += 4 + found.length;
  }
  const [key, namespace, reserved, hash, signature] = strings;
  // Nothing may follow: two files with the same signature would be two.
  if (!key || !namespace || !reserved || !hash || !signature?.length || offset !== bytes.length) return undefined;
  return { key, namespace: namespace.toString('utf8'), reserved, hash: hash.toString('latin1'), signature };
}

function dearmour(text: string): Buffer | undefined {
  const inner = /-----BEGIN SSH SIGNATURE-----([\s\S]+)-----END SSH SIGNATURE-----/.exec(text)?.[1];
  return inner === undefined ? undefined : Buffer.from(inner.replaceAll(/\s/g, ''), 'base64');
}

function armour(signature: Buffer): string {
  const lines = signature.toString('base64').match(/.{1,70}/g) ?? [];
  return `-----BEGIN SSH SIGNATURE-----\n${lines.join('\n')}\n-----END SSH SIGNATURE-----\n`;
}

/** The public key in a file as OpenSSH keeps it (`id_ed25519.pub`). */
export function publicKeyBeside(keyFile: string): Promise<string | undefined> {
  const path = keyFile.endsWith('.pub') ? keyFile : `${keyFile}.pub`;
  if (fs.existsSync(path)) return Promise.resolve(fs.readFileSync(path, 'utf8'));
  return new Promise((resolve) => {
    execFile('ssh-keygen', ['-y', '-P', '', '-f', keyFile], (error, stdout) => resolve(error ? undefined : stdout));
  });
}

export interface ProgramAnswer {
  /** −1 where it cannot be started or takes too long. */
  code: number;
  stdout: string;
  stderr: string;
}

/** Runs a program that gets its input and nobody to ask. */
export function runProgram(program: string, words: readonly string[], input: Uint8Array): Promise<ProgramAnswer> {
  return new Promise((resolve) => {
    const child = spawn(program, words, {
      stdio: ['pipe', 'pipe', 'pipe'],
      // In a session of its own it finds no terminal to ask at.
      detached: process.platform !== 'win32',
      timeout: PATIENCE,
      env: { ...process.env, LC_ALL: 'C', SSH_ASKPASS_REQUIRE: 'never', SSH_ASKPASS: '', DISPLAY: '' },
    });
    let [stdout, stderr] = ['', ''];
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    // A program that ends before it has read everything says so by its code.
    child.stdin.on('error', () => undefined);
    child.once('error', () => resolve({ code: -1, stdout, stderr }));
    child.once('close', (code) => resolve({ code: code ?? -1, stdout, stderr: stderr.trim() }));
    child.stdin.end(input);
  });
}

import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { withSignatures } from '../../runtime/ledger/judged.ts';
import { keyFolder, keyToSignWith, makeKey, ownKey, ownKeys } from '../../runtime/ledger/keys/key-folder.ts';
import { parsePublicKey } from '../../runtime/ledger/keys/public-key.ts';
import { findTrusted, readTrust, writeTrusted } from '../../runtime/ledger/keys/trust.ts';
import { openCheckpoint, openNote, signCheckpoint } from '../../runtime/ledger/log/checkpoint.ts';
import { EMPTY_ROOT } from '../../runtime/ledger/log/merkle.ts';
import { isSigned, type JudgedSignature, preAuthenticationEncoding } from '../../runtime/ledger/signature.ts';
import { recordOf } from '../runtime/records.ts';
import { SignedProject } from './support.ts';

let project: SignedProject;
beforeEach(() => {
  project = new SignedProject();
});
afterEach(() => project.remove());

const has = (program: string) => spawnSync(program, ['--version']).error === undefined;

describe('the key of a person', () => {
  it('lies in the user’s configuration folder, wherever that is', () => {
    assert.equal(keyFolder({ MLPIPE_CONFIG: '/c', XDG_CONFIG_HOME: '/x' }, 'linux'), join('/c', 'keys'));
    assert.equal(keyFolder({ XDG_CONFIG_HOME: '/x' }, 'linux'), join('/x', 'mlpipe', 'keys'));
    assert.match(keyFolder({}, 'linux'), /\.config.mlpipe.keys$/);
    assert.match(keyFolder({ APPDATA: '/a' }, 'win32'), /^.a.mlpipe.keys$/);
    assert.match(keyFolder({}, 'darwin'), /Library.Application Support.mlpipe.keys$/);
  });

  it('is readable by nobody else, and made so again where it was not', function () {
    if (process.platform === 'win32') this.skip();
    const { key } = keyToSignWith(project.keys);
    const path = join(project.keys, `${key.id}.pem`);
    assert.equal(fs.statSync(path).mode & 0o777, 0o600);
    fs.chmodSync(path, 0o644);
    keyToSignWith(project.keys);
    assert.equal(fs.statSync(path).mode & 0o777, 0o600);
  });

  it('is one key, however many processes make the first one at once', async () => {
    const module = fileURLToPath(new URL('../../runtime/ledger/keys/key-folder.ts', import.meta.url));
    const program = `const { keyToSignWith } = await import(${JSON.stringify(module)});
      console.log(keyToSignWith(process.argv[1]).key.id);`;
    const run = promisify(execFile);
    const words = ['--input-type=module', '--eval', program, project.keys];
    const answers = await Promise.all(Array.from({ length: 6 }, () => run(process.execPath, words)));
    assert.equal(new Set(answers.map(({ stdout }) => stdout)).size, 1);
    assert.equal(ownKeys(project.keys).length, 1);
  });

  it('is kept when another takes its place', () => {
    const before = keyToSignWith(project.keys);
    const after = makeKey(project.keys, true);
    assert.notEqual(before.key.id, after.key.id);
    assert.equal(keyToSignWith(project.keys).key.id, after.key.id);
    assert.equal(ownKey(project.keys, before.key.id).key.text, before.key.text);
    assert.deepEqual(
      ownKeys(project.keys).map(({ current }) => current),
      [true, false],
    );
  });

  it('is the key that OpenSSH would call so', function () {
    if (!has('ssh-keygen') && process.env.CI === undefined) this.skip();
    const file = join(project.root, 'id');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'ada', '-f', file]);
    const key = parsePublicKey(fs.readFileSync(`${file}.pub`, 'utf8'));
    const shown = execFileSync('ssh-keygen', ['-lf', `${file}.pub`], { encoding: 'utf8' });
    const fingerprint = Buffer.from(/SHA256:(\S+)/.exec(shown)?.[1] ?? '', 'base64').toString('hex');
    assert.equal(key.id, fingerprint.slice(0, 32));
    for (const wrong of ['', 'ssh-ed25519', 'ssh-ed25519 AAAA', `ssh-rsa ${key.text.split(' ')[1]}`, 'openpgp4fpr:12'])
      assert.throws(() => parsePublicKey(wrong), { code: 'key-unreadable' });
  });

  it('that cannot be read is said to be so, without a word of what it is', () => {
    const { key } = keyToSignWith(project.keys);
    const path = join(project.keys, `${key.id}.pem`);
    const secret = fs.readFileSync(path, 'utf8').split('\n')[1] ?? '';
    fs.writeFileSync(path, `-----BEGIN PRIVATE KEY-----\n${secret.slice(3)}\n-----END PRIVATE KEY-----\n`);
    assert.throws(
      () => keyToSignWith(project.keys),
      (error: Error) => !JSON.stringify([error.message, error.stack, error.cause]).includes(secret.slice(3)),
    );
  });

  it('never comes into a project, and a folder that cannot be written stops no run', async () => {
    await project.append(2);
    const { key } = keyToSignWith(project.keys);
    const pem = fs.readFileSync(join(project.keys, `${key.id}.pem`), 'utf8');
    const seed = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' }).subarray(-32);
    const forms = [seed, Buffer.from(seed.toString('hex')), Buffer.from(seed.toString('base64')), Buffer.from(pem)];
    let looked = 0;
    for (const entry of fs.readdirSync(project.root, { recursive: true, withFileTypes: true })) {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile() || path.startsWith(project.keys)) continue;
      const content = fs.readFileSync(path);
      for (const form of forms) assert.ok(!content.includes(form), path);
      looked += 1;
    }
    assert.ok(looked > 8);

    const other = new SignedProject(join(project.root, 'file', 'keys'));
    fs.writeFileSync(join(project.root, 'file'), 'not a folder');
    await other.append(1);
    assert.ok(
      other.warnings.some((message) => /not signed/.test(message)),
      other.warnings.join(),
    );
    assert.equal((await other.verify()).standing.unsigned, 1);
    other.remove();
  });
});

describe('the keys that a project names', () => {
  it('are one file each, read back, and found by name, address or id', () => {
    const [one, two] = [makeKey(project.keys, false).key, makeKey(project.keys, true).key];
    const entry = { format: 'mlpipe-key/1', key: one.text, name: 'Ada', email: 'ada@example.org' } as const;
    const path = writeTrusted(project.root, entry);
    writeTrusted(project.root, { format: 'mlpipe-key/1', key: two.text, name: 'Bea' });
    assert.equal(fs.readFileSync(path, 'utf8').split('\n')[1], '  "email": "ada@example.org",');
    const trust = readTrust(project.root);
    assert.deepEqual(trust.get(one.id), entry);
    for (const reference of ['Ada', 'ada@example.org', one.id, one.id.slice(0, 8)])
      assert.equal(findTrusted(trust, reference)[0], one.id);
    assert.throws(() => findTrusted(trust, 'Eve'), { code: 'key-unknown' });
    fs.renameSync(path, path.replace(one.id, 'f'.repeat(32)));
    assert.throws(() => readTrust(project.root), { code: 'trust-damaged' });
  });
});

describe('a signature', () => {
  it('is over what DSSE says', () => {
    const encoded = preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world'));
    assert.equal(encoded.toString(), 'DSSEv1 29 http://example.com/HelloWorld 11 hello world');
  });

  async function signaturesOf(): Promise<JudgedSignature[]> {
    return project.with(async (ledger) => {
      const digest = await ledger.append(recordOf());
      const stored = ledger.get(digest);
      assert.ok(stored);
      const [judged] = await withSignatures(project.root, ledger, [stored], assert.fail);
      for (const read of ledger.signatures(digest)) {
        assert.equal(await isSigned(ledger.content(digest), read), true);
        assert.equal(await isSigned(Buffer.from('another'), read), false);
        const bent = Buffer.from(read.signature);
        bent[bent.length - 9] = (bent[bent.length - 9] ?? 0) ^ 1;
        assert.equal(await isSigned(ledger.content(digest), { ...read, signature: bent }), false);
      }
      return judged?.signatures ?? [];
    });
  }

  for (const type of ['ed25519', 'ecdsa', 'rsa']) {
    it(`is made with git's SSH key, too, where there is one (${type})`, async function () {
      this.timeout(60_000);
      if (!has('ssh-keygen') && process.env.CI === undefined) this.skip();
      const file = join(project.root, 'id');
      execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', file]);
      project.git('init', '--quiet');
      project.git('config', 'gpg.format', 'ssh');
      project.git('config', 'user.signingkey', file);
      const key = parsePublicKey(fs.readFileSync(`${file}.pub`, 'utf8'));
      writeTrusted(project.root, { format: 'mlpipe-key/1', key: key.text, name: 'Ada' });
      const signatures = await signaturesOf();
      assert.deepEqual(signatures.map(({ scheme, state }) => `${scheme} ${state}`).sort(), [
        'ed25519 untrusted',
        'sshsig trusted',
      ]);
      const found = await project.verify();
      assert.deepEqual([found.problems, found.standing, found.signatures], [[], { trusted: 1 }, 2]);
    });
  }

  it('is not waited for where the key has a passphrase that nobody is there to say', async function () {
    this.timeout(60_000);
    if (!has('ssh-keygen') && process.env.CI === undefined) this.skip();
    const file = join(project.root, 'id');
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'secret words', '-f', file]);
    project.git('init', '--quiet');
    project.git('config', 'gpg.format', 'ssh');
    project.git('config', 'user.signingkey', file);
    assert.deepEqual(
      (await signaturesOf()).map(({ scheme }) => scheme),
      ['ed25519'],
    );
    assert.ok(
      project.warnings.some((message) => /git's key/.test(message)),
      project.warnings.join(),
    );
  });

  it("is made with git's GPG key, too, and says where that cannot be checked", async function () {
    this.timeout(60_000);
    if (!has('gpg')) this.skip();
    // Its agent listens at a path that must be short.
    const home = fs.mkdtempSync('/tmp/gpg-');
    const before = process.env.GNUPGHOME;
    process.env.GNUPGHOME = home;
    try {
      const words = [
        '--batch',
        '--passphrase',
        '',
        '--quick-gen-key',
        'Ada <ada@example.org>',
        'ed25519',
        'sign',
        'never',
      ];
      if (spawnSync('gpg', words).status !== 0) this.skip();
      project.git('init', '--quiet');
      project.git('config', 'user.signingkey', 'ada@example.org');
      const signatures = await signaturesOf();
      assert.deepEqual(signatures.map(({ scheme, state }) => `${scheme} ${state}`).sort(), [
        'ed25519 untrusted',
        'openpgp untrusted',
      ]);
      process.env.GNUPGHOME = join(home, 'nobody');
      fs.mkdirSync(process.env.GNUPGHOME, { mode: 0o700 });
      const found = await project.verify();
      assert.deepEqual(found.problems, []);
    } finally {
      spawnSync('gpgconf', ['--kill', 'all']);
      if (before === undefined) delete process.env.GNUPGHOME;
      else process.env.GNUPGHOME = before;
      fs.rmSync(home, { recursive: true, force: true });
    }
  });
});

describe('a checkpoint', () => {
  it('is a signed note as other programs write them', () => {
    // The example of Go's golang.org/x/mod/sumdb/note.
    const bytes = Buffer.from('ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW', 'base64').subarray(1);
    const blob = Buffer.concat([Buffer.from('0000000b7373682d6564323535313900000020', 'hex'), bytes]);
    const key = parsePublicKey(`ssh-ed25519 ${blob.toString('base64')}`);
    const text =
      "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
    const note = `${text}\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n`;
    assert.equal(openNote(note, 'PeterNeumann', key), text);
    assert.equal(openNote(note.replace('answer', 'question'), 'PeterNeumann', key), undefined);
    assert.equal(openNote(note, 'PeterPan', key), undefined);
  });

  it('says what it was made of, and is not believed otherwise', () => {
    const { key, sign } = keyToSignWith(project.keys);
    const checkpoint = { origin: 'mlpipe/x', size: 12, root: EMPTY_ROOT };
    const note = signCheckpoint(checkpoint, key, sign);
    assert.deepEqual(openCheckpoint(note, key), { ...checkpoint, root: Buffer.from(EMPTY_ROOT) });
    const other = makeKey(project.keys, true).key;
    for (const [wrong, by] of [
      [note.replace('12', '13'), key],
      [note.replace('mlpipe/x\n', 'mlpipe/y\n'), key],
      [note.slice(0, -20), key],
      ['', key],
      [note, other],
    ] as const) {
      assert.ok('problem' in openCheckpoint(wrong, by), wrong);
    }
  });
});

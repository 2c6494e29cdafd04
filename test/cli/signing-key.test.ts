/** A key that CI gives signs, and no program that is started, no file and no line that is printed has it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { publicKeyOf } from '../../runtime/ledger/keys/public-key.ts';
import { FILES } from '../runtime/support/flowers.ts';
import { type Answer, ensureBuilt, mlpipe, remove, temporaryFolder } from './support.ts';

const PIPELINE = `pipeline seen

step look {
  run     "env > \${out}; cat /proc/self/environ >> \${out} || true; node -e 'console.log(process.env)' >> \${out}"
  writes  out "out.txt"
}
`;

describe('a signing key that is given by the environment', function () {
  this.timeout(120_000);
  let folder = '';
  let project = '';
  let secret: KeyObject;
  let pem = '';
  let id = '';

  const call = (environment: Record<string, string>, ...words: string[]): Promise<Answer> =>
    mlpipe(words, {
      folder: project,
      environment: {
        MLPIPE_CONFIG: join(folder, 'configuration'),
        MLPIPE_CACHE: join(folder, 'cache'),
        TMPDIR: join(folder, 'temporary'),
        PATH: `${join(folder, 'bin')}:${process.env.PATH}`,
        ...environment,
      },
    });
  /** Any 20 characters of its secret part would be too many. */
  const mustNotHave = (text: string, where: string) => {
    const body = pem.replaceAll(/-----.*-----|\s/g, '').slice(20);
    for (let at = 0; at + 20 <= body.length; at += 4)
      assert.ok(!text.includes(body.slice(at, at + 20)), `${where} has a part of the key`);
    assert.ok(!text.includes('MLPIPE_SIGNING_KEY='), `${where} has the variable`);
  };
  const mustBeNowhere = () => {
    for (const name of fs.readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const path = join(folder, name);
      if (fs.statSync(path).isFile() && name !== 'given.pem') mustNotHave(fs.readFileSync(path, 'latin1'), name);
    }
  };
  const signers = async () => {
    const records = JSON.parse((await call({}, 'log', '--json')).stdout) as { signatures: { key: string }[] }[];
    return records.map(({ signatures }) => signatures.map(({ key }) => key).join());
  };

  before(ensureBuilt);
  beforeEach(() => {
    folder = temporaryFolder();
    project = join(folder, 'project');
    for (const each of ['project', 'temporary', 'bin']) fs.mkdirSync(join(folder, each));
    // A program that mlpipe starts on its own account, with all that it has itself.
    const real = execFileSync('sh', ['-c', 'command -v git']).toString().trim();
    const script = `#!/bin/sh\nenv >> '${join(folder, 'git-saw')}'\nexec '${real}' "$@"\n`;
    fs.writeFileSync(join(folder, 'bin', 'git'), script, { mode: 0o755 });
    fs.writeFileSync(join(project, 'seen.mlpipe'), PIPELINE);
    secret = generateKeyPairSync('ed25519').privateKey;
    pem = secret.export({ type: 'pkcs8', format: 'pem' }).toString();
    ({ id } = publicKeyOf(createPublicKey(secret)));
  });
  afterEach(() => remove(folder));

  for (const [form, given] of [
    ['as it is', () => pem],
    ['on one line', () => pem.replaceAll('\n', '\\n')],
  ] as const) {
    it(`signs, ${form}, and is seen by no step`, async () => {
      const ran = await call({ MLPIPE_SIGNING_KEY: given() }, 'run');
      assert.equal(ran.code, 0, ran.stderr);
      const seen = fs.readFileSync(join(project, 'out.txt'), 'utf8');
      assert.match(seen, /^TMPDIR=/m);
      mustNotHave(seen, 'the environment of the step');
      const git = fs.readFileSync(join(folder, 'git-saw'), 'utf8');
      assert.match(git, /^MLPIPE_CONFIG=/m);
      mustNotHave(git, 'the environment of git');
      mustNotHave(ran.stdout + ran.stderr, 'what is printed');
      mustBeNowhere();
      assert.ok(!fs.existsSync(join(folder, 'configuration', 'keys')), 'no key was made');
      assert.deepEqual(await signers(), [id]);
    });
  }

  it('signs out of a file, whose path no step sees', async () => {
    const path = join(folder, 'given.pem');
    fs.writeFileSync(path, pem);
    assert.equal((await call({ MLPIPE_SIGNING_KEY_FILE: path }, 'run')).code, 0);
    assert.doesNotMatch(fs.readFileSync(join(project, 'out.txt'), 'utf8'), /given\.pem|SIGNING_KEY/);
    assert.deepEqual(await signers(), [id]);
    mustBeNowhere();
    assert.equal(fs.readFileSync(path, 'utf8'), pem);
  });

  it('is not seen by the process that trains', async () => {
    fs.rmSync(join(project, 'seen.mlpipe'));
    for (const [name, text] of Object.entries(FILES)) fs.writeFileSync(join(project, name), text);
    // What the process that trains is started with is read while it is there.
    const ran = call({ MLPIPE_SIGNING_KEY: pem }, 'run', '--verbose');
    const environments = new Set<string>();
    let ended = false;
    void ran.finally(() => {
      ended = true;
    });
    while (!ended && process.platform === 'linux') {
      for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          const words = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8');
          const environment = fs.readFileSync(`/proc/${pid}/environ`, 'latin1');
          if (environment.includes(folder) && /worker\.cjs/.test(words)) environments.add(environment);
        } catch {
          // It has ended meanwhile.
        }
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.equal((await ran).code, 0, (await ran).stderr);
    if (process.platform === 'linux') assert.ok(environments.size > 0, 'the process that trains was seen');
    for (const environment of environments) mustNotHave(environment, 'the process that trains');
    mustBeNowhere();
    assert.deepEqual([...new Set(await signers())], [id]);
  });

  it('is named in the project, told of by `doctor`, and not replaced', async () => {
    const environment = { MLPIPE_SIGNING_KEY: pem };
    assert.equal((await call(environment, 'keys', 'add', '--name', 'CI')).code, 0);
    assert.match((await call(environment, 'keys')).stdout, new RegExp(`${id} +trusted +CI.*yours, signs`));
    assert.match((await call(environment, 'doctor')).stdout, new RegExp(`${id}, given by MLPIPE_SIGNING_KEY`));
    const rotated = await call(environment, 'keys', 'rotate');
    assert.equal(rotated.code, 2);
    assert.match(rotated.stderr, /MLPIPE_SIGNING_KEY gives the key that signs here/);
    mustBeNowhere();
  });

  it('that is none is said so, and nothing of it is quoted', async () => {
    const garbage = `-----BEGIN PRIVATE KEY-----\n${Buffer.from('a secret that is no key').toString('base64')}\n-----END PRIVATE KEY-----\n`;
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
      type: 'pkcs8',
      format: 'pem',
    });
    for (const given of [garbage, 'hunter2', other.toString()]) {
      const ran = await call({ MLPIPE_SIGNING_KEY: given }, 'run', '-f', '--debug');
      assert.equal(ran.code, 0, ran.stderr);
      assert.match(ran.stderr, /Records are not signed\. What MLPIPE_SIGNING_KEY gives is no private key of Ed25519/);
      for (const line of given.split('\n').filter((each) => each !== '' && !each.startsWith('--')))
        assert.ok(!(ran.stdout + ran.stderr).includes(line));
    }
    const ran = await call({ MLPIPE_SIGNING_KEY_FILE: join(folder, 'nowhere.pem') }, 'run', '-f');
    assert.match(ran.stderr, /What MLPIPE_SIGNING_KEY_FILE gives is no private key/);
    assert.deepEqual([...new Set(await signers())], ['']);
  });
});

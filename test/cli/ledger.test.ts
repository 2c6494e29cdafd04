/** The ledger, evident, as people and CI meet it: who signed, what verify says, how records travel. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { type Answer, ensureBuilt, mlpipe, remove, temporaryFolder } from './support.ts';

const PIPELINE = `pipeline words

step count {
  reads   "in.txt"
  run     "wc -c < in.txt > \${out}"
  writes  out "out.txt"
}
`;

describe('a ledger that is evident', function () {
  this.timeout(120_000);
  let folder = '';
  let project = '';
  let colleague = '';
  /** Two people, each with a configuration of their own. */
  const as = (who: string, place: string, ...words: string[]): Promise<Answer> =>
    mlpipe(words, {
      folder: place,
      environment: { MLPIPE_CONFIG: join(folder, who), GIT_CONFIG_GLOBAL: join(folder, `${who}.gitconfig`) },
    });
  const ada = (...words: string[]) => as('ada', project, ...words);
  const bea = (...words: string[]) => as('bea', colleague, ...words);
  const git = (place: string, ...words: string[]) =>
    execFileSync('git', ['-c', 'user.name=x', '-c', 'user.email=x@y', ...words], { cwd: place, stdio: 'pipe' });

  before(() => {
    ensureBuilt();
    folder = temporaryFolder();
    for (const [name, person] of [
      ['ada', 'Ada Lovelace'],
      ['bea', 'Bea Tinsley'],
    ])
      fs.writeFileSync(
        join(folder, `${name}.gitconfig`),
        `[user]\n\tname = ${person}\n\temail = ${name}@example.org\n`,
      );
    [project, colleague] = [join(folder, 'project'), join(folder, 'colleague')];
    fs.mkdirSync(project);
    fs.writeFileSync(join(project, 'words.mlpipe'), PIPELINE);
    fs.writeFileSync(join(project, 'in.txt'), 'some words\n');
    fs.writeFileSync(join(project, '.gitignore'), '.mlpipe/\nout.txt\n');
    git(folder, 'init', '--quiet', '--bare', 'remote.git');
    git(project, 'init', '--quiet');
    git(project, 'remote', 'add', 'origin', join(folder, 'remote.git'));
  });
  after(() => remove(folder));

  async function shaped<Shape>(name: string, answer: Answer, code = 0): Promise<Shape> {
    assert.equal(answer.code, code, answer.stderr);
    const schema = JSON.parse((await mlpipe(['schema', name], { folder })).stdout);
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    const value: unknown = JSON.parse(answer.stdout);
    assert.ok(ajv.validate(schema, value), `${name}: ${ajv.errorsText()}`);
    // The schema has just been found to hold.
    return value as Shape;
  }

  it('names whoever begins it, and signs what runs', async () => {
    assert.equal((await ada('run')).code, 0);
    assert.match((await ada('log')).stdout, /untrusted [0-9a-f]{8}/);
    assert.match((await ada('show', 'count')).stdout, /^signed +key [0-9a-f]{32} \(ed25519\), untrusted/m);
    const { written } = await shaped<{ written: string[] }>('keys-changed', await ada('keys', 'add', '--json'));
    assert.match(written[0] ?? '', /^\.mlpipe-keys\/[0-9a-f]{32}\.json$/);
    assert.match((await ada('log')).stdout, /✓ Ada Lovelace/);
    assert.match((await ada('show', 'count')).stdout, /Ada Lovelace <ada@example\.org>, key .* trusted$/m);
    const [key] = await shaped<{ state: string; own: string; logs: string[] }[]>('keys', await ada('keys', '--json'));
    assert.deepEqual([key?.state, key?.own, key?.logs.length], ['trusted', 'signing', 1]);
    const [line] = await shaped<{ signatures: { state: string }[] }[]>('log', await ada('log', '--json'));
    assert.deepEqual(
      line?.signatures.map(({ state }) => state),
      ['trusted'],
    );
    await shaped('show', await ada('show', 'count', '--json'));
  });

  it('is whole, and says what that does not prove', async () => {
    const found = await shaped<{ ok: boolean; records: number }>('verify', await ada('verify', '--json'));
    assert.deepEqual([found.ok, found.records], [true, 1]);
    const { stdout } = await ada('verify');
    assert.match(stdout, /^whole: \d+ objects, 1 record, 1 signature, 1 log of 1 entry, 1 lock file$/m);
    assert.match(stdout, /has left this machine/);
    const one = await shaped<{ ok: boolean; locks: number }>('verify', await ada('verify', 'count', '--json'));
    assert.deepEqual([one.ok, one.locks], [true, 1]);
    assert.equal((await ada('verify', 'nothing')).code, 2);
  });

  it('is filtered by person, time, status and kind', async () => {
    const count = async (...words: string[]) =>
      JSON.parse((await ada('log', '--json', ...words)).stdout).length as number;
    assert.equal(await count('--by', 'ADA@example.org'), 1);
    assert.equal(await count('--by', 'bea'), 0);
    assert.equal(await count('--since', '1h'), 1);
    assert.equal(await count('--since', '2999-01-01'), 0);
    assert.equal(await count('--status', 'failed'), 0);
    assert.equal(await count('--kind', 'program', '--status', 'ok'), 1);
    const wrong = await ada('log', '--since', 'yesterday');
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /Next: .*7d/);
    assert.match((await ada('log', '--by', 'nobody')).stderr, /Nothing that has run is such/);
  });

  it('comes to a colleague, who sees whom the project trusts', async () => {
    git(project, 'add', '.');
    git(project, 'commit', '--quiet', '--message', 'first');
    git(project, 'push', '--quiet', 'origin', 'HEAD:refs/heads/main');
    git(join(folder, 'remote.git'), 'symbolic-ref', 'HEAD', 'refs/heads/main');
    assert.match((await ada('log', 'publish')).stdout, /1 of 1 entries are new/);
    await shaped('publish', await ada('log', 'publish', '--json'));
    await shaped('log-push', await ada('log', 'push', '--json'));
    assert.doesNotMatch((await ada('verify')).stdout, /has left this machine/);
    git(folder, 'clone', '--quiet', join(folder, 'remote.git'), 'colleague');
    // The lock names a record that has not come with the branch.
    const before = await shaped<{ problems: { code: string }[] }>('verify', await bea('verify', '--json'), 1);
    assert.deepEqual(
      before.problems.map(({ code }) => code),
      ['lock-record-missing'],
    );
    const fetched = await shaped<{ records: number }>('log-fetch', await bea('log', 'fetch', '--json'));
    assert.equal(fetched.records, 1);
    assert.equal((await bea('verify')).code, 0);
    assert.match((await bea('log')).stdout, /✓ Ada Lovelace/);
    assert.equal((await bea('log', 'fetch', 'nowhere')).code, 2);
  });

  it('shows a stranger as one, until somebody says who that is', async () => {
    fs.appendFileSync(join(colleague, 'in.txt'), 'more\n');
    assert.equal((await bea('run')).code, 0);
    assert.equal((await bea('log', 'push')).code, 0);
    assert.equal((await ada('log', 'fetch')).code, 0);
    assert.match((await ada('log')).stdout, /untrusted [0-9a-f]{8}/);
    const keys = JSON.parse((await ada('keys', '--json')).stdout) as { key: string; state: string }[];
    const stranger = keys.find(({ state }) => state === 'untrusted')?.key ?? '';
    const nameless = await ada('keys', 'trust', stranger.slice(0, 8));
    assert.equal(nameless.code, 2);
    assert.match(nameless.stderr, /Next: .*--name/);
    assert.equal((await ada('keys', 'trust', stranger.slice(0, 8), '--name', 'Bea Tinsley')).code, 0);
    assert.match((await ada('log')).stdout, /✓ Bea Tinsley/);
    const [newest] = JSON.parse((await ada('log', '--json', '-l', '1')).stdout) as { digest: string }[];
    const reference = newest?.digest.slice(7, 19) ?? '';
    const [signed] = await shaped<{ added: unknown[] }[]>('sign', await ada('sign', reference, '--json'));
    assert.equal(signed?.added.length, 1);
    assert.match((await ada('sign', reference)).stdout, /bears your signature already/);
    assert.match((await ada('log', '-l', '1')).stdout, /✓ (?:Bea Tinsley|Ada Lovelace) \+1/);
    const shown = (await ada('show', reference)).stdout;
    for (const name of ['Bea Tinsley', 'Ada Lovelace'])
      assert.match(shown, new RegExp(`^signed +${name}.* trusted$`, 'm'));
    assert.match((await ada('verify')).stdout, /1 record countersigned/);
    assert.equal((await ada('keys', 'revoke', 'Bea Tinsley', '--reason', 'stolen laptop')).code, 0);
    assert.match((await ada('keys')).stdout, /revoked .*stolen laptop/);
    // What was known when the key was revoked keeps standing; what comes after does not.
    assert.match((await ada('show', reference)).stdout, /^signed +Bea Tinsley.* trusted$/m);
    fs.appendFileSync(join(colleague, 'in.txt'), 'and more\n');
    assert.equal((await bea('run')).code, 0);
    assert.equal((await bea('log', 'push')).code, 0);
    assert.equal((await ada('log', 'fetch')).code, 0);
    assert.match((await ada('log', '-l', '1')).stdout, /revoked Bea Tinsley/);
    assert.match((await ada('show', 'newest')).stdout, /not trusted: the key was revoked/);
    assert.equal((await ada('verify')).code, 0);
  });

  it('goes on under a new key, and keeps the old one’s word', async () => {
    const rotated = await ada('keys', 'rotate');
    assert.equal(rotated.code, 0, rotated.stderr);
    assert.match(rotated.stderr, /is replaced; records are now signed with/);
    assert.equal((await ada('run', '-f')).code, 0);
    const log = await ada('log', '--by', 'ada');
    assert.equal(log.stdout.match(/✓ Ada Lovelace/g)?.length, 2, log.stdout);
    assert.equal((await ada('verify')).code, 0);
  });

  it('names what was touched, and answers no', async () => {
    const [newest] = JSON.parse((await ada('log', '--json', '-l', '1')).stdout) as { digest: string }[];
    const digest = newest?.digest ?? '';
    const path = join(project, '.mlpipe', 'records', digest.slice(7, 9), `${digest.slice(9)}.json`);
    fs.chmodSync(path, 0o644);
    fs.writeFileSync(path, fs.readFileSync(path, 'utf8').replace('"ok"', '"no"'));
    const found = await ada('verify');
    assert.equal(found.code, 1);
    assert.match(found.stdout, new RegExp(`✗ The record ${digest} is not whole`));
    assert.match(found.stdout, /Bring it back from a copy/);
    await shaped('verify', await ada('verify', '--json'), 1);
    assert.equal((await ada('verify', digest)).code, 1);
    await shaped('mend', await ada('log', 'mend', '--json'));
  });

  it('says what to do with words that mean nothing', async () => {
    for (const [words, says] of [
      [['keys', 'eat'], /list, add, trust/],
      [['keys', 'revoke'], /Which key is meant/],
      [['keys', 'trust', 'zebra', '--name', 'Z'], /No key is called zebra/],
      [['keys', 'revoke', 'zebra'], /No key of this project is called zebra/],
    ] as const) {
      const answer = await ada(...words);
      assert.equal(answer.code, 2, answer.stderr);
      assert.match(answer.stdout + answer.stderr, says);
      assert.match(answer.stderr, /^ {2}Next: \S/m);
    }
  });

  it('runs all the same where no key can be kept, and says that nothing is signed', async () => {
    fs.writeFileSync(join(folder, 'file'), '');
    const run = await as('file', project, 'run', '-f');
    assert.equal(run.code, 0, run.stderr);
    assert.match(run.stderr, /Records are not signed/);
    assert.match((await ada('log', '-l', '1')).stdout, /unsigned/);
  });
});

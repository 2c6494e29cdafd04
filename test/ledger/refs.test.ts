import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { openCheckpoint } from '../../runtime/ledger/log/checkpoint.ts';
import { logsIn } from '../../runtime/ledger/log/logs.ts';
import { fetchLedger, pushLedger } from '../../runtime/ledger/refs/exchange.ts';
import { commitFiles, filesIn, moveRef, readObjects } from '../../runtime/ledger/refs/objects.ts';
import { CHUNK, publish } from '../../runtime/ledger/refs/publish.ts';
import { nodeFileSystem } from '../../runtime/store/filesystem.ts';
import { SignedProject } from './support.ts';

let ada: SignedProject;
let bea: SignedProject;
let remote = '';
beforeEach(() => {
  ada = new SignedProject();
  bea = new SignedProject();
  remote = join(ada.root, 'remote.git');
  ada.git('init', '--quiet', '--bare', remote);
  for (const each of [ada, bea]) {
    each.git('init', '--quiet');
    each.git('remote', 'add', 'origin', remote);
  }
});
afterEach(() => {
  for (const each of [ada, bea]) each.remove();
});

const published = (project: SignedProject) => project.with((ledger) => publish(project.root, ledger));
const push = (project: SignedProject) => project.with((ledger) => pushLedger(project.root, ledger, 'origin'));
const fetch = (project: SignedProject) => project.with((ledger) => fetchLedger(project.root, ledger, 'origin'));
const records = (project: SignedProject): Promise<Digest[]> =>
  project.with((ledger) =>
    ledger
      .list()
      .map(({ digest }) => digest)
      .sort(),
  );
const refs = (project: SignedProject, where = project.root) =>
  project.git('-C', where, 'for-each-ref', '--format=%(refname) %(objectname)', 'refs/mlpipe').split('\n');

describe('publishing', function () {
  this.timeout(60_000);

  it('puts records, signatures and a checkpoint into refs, and adds to what is there', async () => {
    const first = await ada.append(3);
    const [one] = await published(ada);
    assert.ok(one);
    assert.deepEqual([one.entries, one.added], [3, 3]);
    const tree = await filesIn(ada.root, `refs/mlpipe/records/${one.writer}`);
    assert.equal(tree.size, 6);
    for (const digest of first) assert.ok(tree.has(`${digest.slice(7, 9)}/${digest.slice(9)}.json`));
    const [log] = logsIn(nodeFileSystem, ada.store).logs;
    const [note, entries] = await readObjects(ada.root, [`${one.commit}:checkpoint`, `${one.commit}:entries/000000`]);
    assert.ok(log && note);
    const said = openCheckpoint(note.toString('utf8'), log.key);
    assert.ok('size' in said && said.size === 3);
    assert.deepEqual(entries, Buffer.concat(first.map((digest) => Buffer.from(digest.slice(7), 'hex'))));

    await ada.append(2, { step: 'more' });
    const [two] = await published(ada);
    assert.deepEqual([two?.entries, two?.added], [5, 2]);
    assert.equal(ada.git('rev-list', '--count', `refs/mlpipe/log/${one.writer}`), '2');
    assert.equal((await published(ada))[0]?.added, 0);
    const found = await ada.verify();
    assert.deepEqual([found.problems, found.logs[0]?.checkpoints], [[], { here: 5, published: 5, left: null }]);
    // A branch, the index and the work tree are nobody's business here.
    assert.equal(ada.git('status', '--porcelain', '--untracked-files=no'), '');
  });

  it('goes over from one file of entries to the next, and back into one log elsewhere', async () => {
    await ada.append(CHUNK + 6);
    await push(ada);
    await ada.append(3, { step: 'more' });
    await push(ada);
    const [log] = logsIn(nodeFileSystem, ada.store).logs;
    const tree = await filesIn(ada.root, `refs/mlpipe/log/${log?.writer}`);
    assert.deepEqual([...tree.keys()].sort(), ['checkpoint', 'entries/000000', 'entries/000001', 'key']);
    assert.equal((await fetch(bea)).records, CHUNK + 9);
    const found = await bea.verify();
    assert.deepEqual([found.problems, found.logs[0]?.entries], [[], CHUNK + 9]);
  });

  it('refuses a log that is not the one that was published', async () => {
    await ada.append(3);
    await published(ada);
    const path = join(ada.log, 'entries');
    const kept = fs.readFileSync(path);
    fs.rmSync(path);
    fs.rmSync(join(ada.log, 'checkpoint'));
    await ada.append(5, { step: 'another past' });
    await assert.rejects(published(ada), { code: 'log-diverged' });
    assert.ok((await ada.verify()).problems.some(({ code }) => code === 'log-rewritten'));
    fs.writeFileSync(path, kept);
  });

  it('moves a ref only from where it was', async () => {
    const one = await commitFiles(ada.root, new Map([['a', Buffer.from('1')]]), 'one\n', undefined);
    const two = await commitFiles(ada.root, new Map([['b', Buffer.from('2')]]), 'two\n', one);
    assert.ok(await moveRef(ada.root, 'refs/mlpipe/x', one, undefined));
    assert.ok(!(await moveRef(ada.root, 'refs/mlpipe/x', two, undefined)));
    assert.ok(!(await moveRef(ada.root, 'refs/mlpipe/x', one, two)));
    assert.ok(await moveRef(ada.root, 'refs/mlpipe/x', two, one));
    assert.deepEqual([...(await filesIn(ada.root, 'refs/mlpipe/x')).keys()], ['a', 'b']);
    const [content] = await readObjects(ada.root, ['refs/mlpipe/x:b', 'refs/mlpipe/x:c']);
    assert.equal(content?.toString(), '2');
  });

  it('says so where there is no repository', async () => {
    const alone = new SignedProject();
    await alone.append(1);
    await assert.rejects(published(alone), { code: 'no-repository' });
    alone.remove();
  });
});

describe('pushing and fetching', function () {
  this.timeout(60_000);

  it('bring two people the records of both, with their logs, and lose none', async () => {
    const [first, second] = [await ada.append(3), await bea.append(4, { step: 'other' })];
    await push(ada);
    await push(bea);
    const brought = await fetch(ada);
    assert.deepEqual([brought.records, brought.problems, brought.writers.length], [4, [], 2]);
    await fetch(bea);
    const all = [...first, ...second].sort();
    assert.deepEqual(await records(ada), all);
    assert.deepEqual(await records(bea), all);
    for (const each of [ada, bea]) {
      // The lock names a record of its own, which both have.
      const found = await each.verify();
      assert.deepEqual(found.problems, []);
      assert.deepEqual(found.logs.map(({ entries, checkpoints }) => [entries, checkpoints.left]).sort(), [
        [3, 3],
        [4, 4],
      ]);
    }
    await bea.append(1, { step: 'later' });
    await push(bea);
    assert.equal((await fetch(ada)).records, 1);
    assert.equal((await fetch(ada)).records, 0);
    assert.equal((await ada.verify()).ok, true);
  });

  it('work for a stranger who has nothing but the repository', async () => {
    await ada.append(3);
    await push(ada);
    const fetched = await fetch(bea);
    assert.equal(fetched.records, 3);
    const found = await bea.verify();
    assert.deepEqual(found.problems, []);
    assert.deepEqual(found.standing, { untrusted: 3 });
  });

  it('unite with what the remote has, where this repository has forgotten it', async () => {
    await ada.append(3);
    await push(ada);
    for (const line of refs(ada)) ada.git('update-ref', '-d', line.split(' ')[0] ?? '');
    await ada.append(2, { step: 'more' });
    await push(ada);
    assert.deepEqual(refs(ada).sort(), refs(ada, remote).sort());
    await fetch(bea);
    assert.equal((await records(bea)).length, 5);
    assert.deepEqual((await bea.verify()).problems, []);
  });

  it('tell of a remote that has lost what it had, and keep it', async () => {
    await ada.append(3);
    await push(ada);
    await fetch(bea);
    const other = await commitFiles(ada.root, new Map([['checkpoint', Buffer.from('x')]]), 'rewritten\n', undefined);
    ada.git('push', '--quiet', '--force', remote, `${other}:${refs(ada, remote)[0]?.split(' ')[0]}`);
    const fetched = await fetch(bea);
    assert.ok(
      fetched.problems.some((problem) => /has lost what it had/.test(problem)),
      fetched.problems.join(),
    );
    assert.equal((await records(bea)).length, 3);
    assert.deepEqual((await bea.verify()).problems, []);
  });

  it('leave out what is not what its name says', async () => {
    const [digest = ''] = await ada.append(1);
    await push(ada);
    const writer = refs(ada, remote)[0]?.split(/[ /]/)[3] ?? '';
    const base = ada.git('rev-parse', `refs/mlpipe/records/${writer}`);
    const lies = new Map([
      [`${digest.slice(7, 9)}/${'0'.repeat(62)}.json`, Buffer.from('{}')],
      ['notes.txt', Buffer.from('x')],
    ]);
    const lie = await commitFiles(ada.root, lies, 'lies\n', base);
    ada.git('push', '--quiet', remote, `${lie}:refs/mlpipe/records/${writer}`);
    const fetched = await fetch(bea);
    assert.equal(fetched.records, 1);
    assert.ok(
      fetched.problems.some((problem) => /not what its name says/.test(problem)),
      fetched.problems.join(),
    );
    assert.deepEqual((await bea.verify()).problems, []);
  });

  it('refuse names that git would take for something else, and say what git says', async () => {
    await ada.append(1);
    for (const name of ['--upload-pack=x', 'ext::sh -c x', '-x', 'a..b', ''])
      await assert.rejects(
        ada.with((ledger) => fetchLedger(ada.root, ledger, name)),
        { code: 'remote-unknown' },
      );
    await assert.rejects(
      ada.with((ledger) => pushLedger(ada.root, ledger, 'nowhere')),
      { code: 'remote-unknown' },
    );
  });
});

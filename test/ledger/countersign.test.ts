/** Another person stands for a record, too: beside it, in a log of their own, and for everybody to see. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import * as api from '../../runtime/api.ts';
import { parsePublicKey } from '../../runtime/ledger/keys/public-key.ts';
import { writeTrusted } from '../../runtime/ledger/keys/trust.ts';
import { judgeTogether, signersOf } from '../../runtime/ledger/signature.ts';
import { codes, People } from '../remotes/people.ts';
import { remove } from '../remotes/support.ts';

describe('a countersignature', function () {
  this.timeout(60_000);
  let people: People;
  let record: Digest;

  const sign = (name: string) => people.as(name, (project) => api.countersign(project, [record.slice(7, 20)]));
  const signatures = (name: string) =>
    people.as(name, async (project) => {
      const [stored] = await api.signed(project, [api.show(project, record)], assert.fail);
      return (stored?.signatures ?? []).map(({ name: who, state }) => `${who} ${state}`).sort();
    });
  const trust = async (where: string, person: string, more: { from?: string } = {}) => {
    const path = people.at('keys', person, 'keys');
    const [line = ''] = fs.readdirSync(path).filter((name) => name.endsWith('.pub'));
    const key = parsePublicKey(fs.readFileSync(join(path, line), 'utf8').split(' ').slice(0, 2).join(' '));
    writeTrusted(people.at(where), { format: 'mlpipe-key/1', key: key.text, name: person, ...more });
  };

  beforeEach(async () => {
    people = new People();
    record = (await people.append('ada', 1))[0] ?? 'sha256:';
    await people.push('ada');
    await people.fetch('bob');
    await people.fetch('eve');
    await sign('bob');
    for (const where of ['ada', 'bob', 'eve']) for (const person of ['ada', 'bob']) await trust(where, person);
  });
  afterEach(() => remove(people.folder));

  it('lies beside the record and in the log of who signed, and comes to all over a remote', async () => {
    assert.deepEqual(await signatures('bob'), ['ada trusted', 'bob trusted']);
    assert.deepEqual(Object.values(await people.logs('bob')), [1, 1]);
    const sent = await people.push('bob');
    assert.deepEqual([sent.records, sent.logs.length, sent.problems], [0, 1, []]);
    for (const name of ['ada', 'eve']) {
      const got = await people.fetch(name);
      assert.deepEqual([got.records, got.signatures, got.logs.length, got.problems], [0, 1, 1, []]);
      assert.deepEqual(await signatures(name), ['ada trusted', 'bob trusted']);
      const found = await people.verify(name);
      assert.deepEqual([codes(found), found.countersigned, found.signatures], [[], 1, 2]);
    }
  });

  it('is made once by a person', async () => {
    const [again] = await sign('bob');
    assert.deepEqual(again?.added, []);
    assert.deepEqual((await sign('ada'))[0]?.added, []);
    assert.deepEqual(Object.values(await people.logs('bob')), [1, 1]);
    assert.equal((await sign('eve'))[0]?.added.length, 1);
    assert.deepEqual(codes(await people.verify('eve')), []);
  });

  it('is missed where it was taken away, and can be made again', async () => {
    const folder = people.at('bob', '.mlpipe', 'records', record.slice(7, 9));
    const own = (name: string) => fs.readFileSync(join(folder, name), 'utf8');
    const theirs = fs.readdirSync(folder).filter((name) => name.endsWith('.sig.json'));
    const ada = fs.readdirSync(people.at('ada', '.mlpipe', 'records', record.slice(7, 9)));
    const [bobs = ''] = theirs.filter((name) => !ada.includes(name));
    assert.match(own(bobs), /mlpipe\.record/);
    fs.rmSync(join(folder, bobs));
    assert.deepEqual(codes(await people.verify('bob')), ['signature-missing']);
    assert.equal((await sign('bob'))[0]?.added.length, 1);
    assert.deepEqual(codes(await people.verify('bob')), []);
  });

  it('is refused of a record that is not whole, and signs none of several where one is not known', async () => {
    await assert.rejects(
      people.as('bob', (project) => api.countersign(project, [record, 'nothing'])),
      { code: 'reference-unknown' },
    );
    const path = people.at('eve', '.mlpipe', 'records', record.slice(7, 9), `${record.slice(9)}.json`);
    await assert.rejects(
      people.as('eve', async (project) => {
        api.show(project, record);
        fs.chmodSync(path, 0o644);
        fs.appendFileSync(path, ' ');
        await project.ledger.countersign(record);
      }),
      { code: 'record-damaged' },
    );
  });

  it('by a key that began later counts where somebody stood for the record in its time, and not by itself', async () => {
    await trust('bob', 'bob', { from: '2026-06-01T00:00:00.000Z' });
    assert.deepEqual(await signatures('bob'), ['ada trusted', 'bob trusted']);
    await trust('bob', 'ada', { from: '2026-06-01T00:00:00.000Z' });
    assert.deepEqual(await signatures('bob'), ['ada outside', 'bob outside']);
    const when = { started: '', ended: '2026-05-01T00:00:00.000Z', seconds: 0 };
    const judged = [{ key: 'a', scheme: 'ed25519', state: 'trusted', name: 'Ada' } as const];
    const until = new Map([['b', { format: 'mlpipe-key/1' as const, key: '', name: 'B', until: '2026-01-01' }]]);
    const replaced = { key: 'b', scheme: 'ed25519', state: 'outside', name: 'B' } as const;
    assert.equal(judgeTogether([...judged, replaced], { when }, until)[1]?.state, 'outside');
    assert.deepEqual(signersOf([...judged, { ...replaced, state: 'forged' }, { ...replaced, key: 'c' }]), ['Ada']);
  });
});

/** What is missing on a remote of a million names is found without listing them all. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { adaptingPace } from '../../runtime/store/remotes/concurrency.ts';
import type { Listed } from '../../runtime/store/remotes/driver.ts';
import { presentOn } from '../../runtime/store/remotes/presence.ts';
import { MemoryRemote } from './support.ts';

const MILLION = 1_000_000;
const BYTES = 10;

const nameAt = (index: number) => {
  const hexadecimal = createHash('sha256').update(String(index)).digest('hex');
  return `objects/${hexadecimal.slice(0, 2)}/${hexadecimal.slice(2)}`;
};

/** Knows a million names, by shard. */
class MillionNames extends MemoryRemote {
  readonly #shards: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(shards: ReadonlyMap<string, ReadonlySet<string>>) {
    super();
    this.#shards = shards;
  }

  override async *list(prefix: string): AsyncGenerator<Listed> {
    this.calls.list += 1;
    let count = 0;
    for (const name of this.#shards.get(prefix) ?? []) {
      if (count % this.abilities.pageSize === 0) this.calls.pages += 1;
      count += 1;
      yield { name, bytes: BYTES };
    }
    if (count === 0) this.calls.pages += 1;
  }

  override async head(name: string) {
    this.calls.head += 1;
    return this.#shards.get(name.slice(0, 11))?.has(name) ? BYTES : undefined;
  }
}

describe('what a remote of a million objects has', function () {
  this.timeout(60_000);
  const shards = new Map<string, Set<string>>();
  let remote: MillionNames;

  before(() => {
    for (let index = 0; index < MILLION; index += 1) {
      const name = nameAt(index);
      const shard = shards.get(name.slice(0, 11)) ?? new Set();
      shard.add(name);
      shards.set(name.slice(0, 11), shard);
    }
  });

  beforeEach(() => {
    remote = new MillionNames(shards);
  });

  /** Every second one of these is there. */
  const ask = async (count: number) => {
    const names = Array.from({ length: count }, (_, index) => nameAt(index % 2 === 0 ? index * 7 : MILLION + index));
    const found = await presentOn(remote, names, { pace: adaptingPace(remote.abilities.concurrency) });
    assert.equal(found.size, Math.ceil(count / 2));
    for (const name of names) assert.equal(found.has(name), shards.get(name.slice(0, 11))?.has(name));
    return remote.calls.head + remote.calls.pages;
  };

  it('is asked by name where few are wanted, with no listing at all', async () => {
    assert.equal(await ask(20), 20);
    assert.equal(remote.calls.list, 0);
  });

  it('is asked by name where a shard has more pages than names are wanted of it', async () => {
    const requests = await ask(300);
    assert.ok(requests < 310, `${requests} requests`);
    assert.ok(remote.calls.list < 10, `${remote.calls.list} shards were listed`);
  });

  it('is listed by shards where that takes fewer requests than there are names', async () => {
    const requests = await ask(50_000);
    assert.ok(requests <= 256 * 5, `${requests} requests`);
    assert.equal(remote.calls.head, 0);
  });

  it('is asked by name for all of them where it cannot be listed', async () => {
    remote.abilities.list = false;
    assert.equal(await ask(1000), 1000);
  });
});

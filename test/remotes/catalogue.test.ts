/** What there is, for who cannot list: of many who push at once nobody's names are lost. */
import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import { publishedNames, publishNames } from '../../runtime/store/remotes/catalogue.ts';
import type { Content, Listed } from '../../runtime/store/remotes/driver.ts';
import { openLine } from '../../runtime/store/remotes/transfer.ts';
import { MemoryRemote } from './support.ts';

/** Takes a while for everything, never the same, and of two who write one name the last one wins. */
class SlowRemote extends MemoryRemote {
  override async *list(prefix: string): AsyncGenerator<Listed> {
    await wait(Math.random() * 6);
    // What a listing shows is what was there at one moment; it is answered a moment later.
    const listed: Listed[] = [];
    for await (const each of super.list(prefix)) listed.push(each);
    await wait(Math.random() * 6);
    yield* listed;
  }

  override async get(name: string, options: { start?: number } = {}) {
    await wait(Math.random() * 4);
    return super.get(name, options);
  }

  override async put(name: string, content: Content) {
    await wait(Math.random() * 6);
    return super.put(name, content, { replace: true });
  }
}

const nothing = async () => [];
const recordNames = (person: number, push: number) => [`records/${person}-${push}`, `records/${person}-${push}.sig`];

describe('the names on a remote that cannot be listed', function () {
  this.timeout(60_000);

  it('are all found, however many write them at once', async () => {
    for (let round = 0; round < 20; round += 1) {
      const remote = new SlowRemote();
      const expected = new Set<string>();
      await Promise.all(
        Array.from({ length: 6 }, async (_, person) => {
          for (const name of recordNames(person, round)) expected.add(name);
          await publishNames(openLine(remote), recordNames(person, round), nothing);
        }),
      );
      assert.deepEqual([...(await publishedNames(openLine(remote)))].sort(), [...expected].sort());
    }
  });

  it('are united when they are in many files, and none is lost by who reads or writes meanwhile', async () => {
    const remote = new SlowRemote();
    const expected = new Set<string>();
    await Promise.all(
      Array.from({ length: 5 }, async (_, person) => {
        for (let push = 0; push < 30; push += 1) {
          for (const name of await publishedNames(openLine(remote)))
            assert.ok(expected.has(name), `${name} is made up`);
          for (const name of recordNames(person, push)) expected.add(name);
          await publishNames(openLine(remote), recordNames(person, push), nothing);
        }
      }),
    );
    assert.deepEqual([...(await publishedNames(openLine(remote)))].sort(), [...expected].sort());
    assert.ok([...remote.files.keys()].length < 100, `${remote.files.size} files`);
  });

  it('are those of everything that is there, where nothing was said before', async () => {
    const remote = new MemoryRemote();
    await publishNames(openLine(remote), ['records/new'], async () => ['records/old']);
    await publishNames(openLine(remote), ['records/newer'], async () => ['records/never']);
    const names = [...(await publishedNames(openLine(remote)))].sort();
    assert.deepEqual(names, ['records/new', 'records/newer', 'records/old']);
    assert.deepEqual([...(await publishedNames(openLine(new MemoryRemote())))], []);
  });

  it('are not believed where the remote has changed them', async () => {
    const remote = new MemoryRemote();
    await publishNames(openLine(remote), ['records/one', 'records/two'], nothing);
    const [name = ''] = [...remote.files.keys()].filter((each) => each.endsWith('.names'));
    const content = remote.files.get(name) ?? Buffer.alloc(0);
    remote.files.set(name, content.subarray(0, -1));
    await assert.rejects(publishedNames(openLine(remote)), { code: 'remote-corrupt' });
    remote.files.set(name, content);
    remote.files.set('index/all', Buffer.from('mlpipe-index/1 2\n../../secret\n'));
    await assert.rejects(publishedNames(openLine(remote)), { code: 'remote-corrupt' });
    await publishNames(openLine(remote), [], nothing);
    assert.equal((await publishedNames(openLine(remote))).size, 2);
  });
});

/** How many requests run at once, and how often one is tried: what a remote answers decides. */
import assert from 'node:assert/strict';
import { adaptingPace, inParallel } from '../../runtime/store/remotes/concurrency.ts';
import { faultOfStatus, RemoteFault } from '../../runtime/store/remotes/driver.ts';
import { kindOf } from '../../runtime/store/remotes/open.ts';
import { persistently } from '../../runtime/store/remotes/retry.ts';

describe('the pace of requests', () => {
  it('grows while all goes well, up to its most, and is halved once a round trip by what may pass', () => {
    let time = 0;
    const pace = adaptingPace({ first: 4, most: 12 }, () => time);
    for (let request = 0; request < 500; request += 1) pace.succeeded(10);
    assert.equal(pace.width, 12);
    pace.failed(new RemoteFault('429', 'transient'));
    pace.failed(new RemoteFault('429', 'transient'));
    assert.equal(pace.width, 6);
    time += 1000;
    pace.failed(new RemoteFault('503', 'transient'));
    assert.equal(pace.width, 3);
    time += 1000;
    pace.failed(new RemoteFault('404', 'refused'));
    assert.equal(pace.width, 3);
  });

  it('never lets more run than it says, and begins nothing after a failure', async () => {
    const pace = adaptingPace({ first: 3, most: 3 });
    let running = 0;
    let most = 0;
    const begun: number[] = [];
    await assert.rejects(
      inParallel([1, 2, 3, 4, 5, 6, 7, 8, 9], pace, async (item) => {
        begun.push(item);
        running += 1;
        most = Math.max(most, running);
        await new Promise((resolve) => setTimeout(resolve, 5));
        running -= 1;
        if (item === 4) throw new Error('it broke');
      }),
      /it broke/,
    );
    assert.equal(most, 3);
    assert.equal(running, 0);
    assert.ok(begun.length < 9, `${begun.length} were begun`);
  });
});

describe('trying again', () => {
  const tries = async (status: number) => {
    let count = 0;
    const attempt = persistently(
      async () => {
        count += 1;
        throw faultOfStatus(status, '');
      },
      { tries: 3, firstPause: 1 },
    );
    await assert.rejects(attempt);
    return count;
  };

  it('is for what may pass, and not for what the remote will say again', async () => {
    for (const status of [408, 429, 500, 503]) assert.equal(await tries(status), 3, String(status));
    for (const status of [400, 401, 403, 404, 410, 416]) assert.equal(await tries(status), 1, String(status));
  });
});

describe('an address', () => {
  it('says what kind of remote it is, and holds no credential', () => {
    assert.deepEqual(
      ['/mnt/models', '../models', 's3://bucket/x', 'ssh://ada@host/x', 'davs://host/x', 'https://host/x'].map(kindOf),
      ['folder', 'folder', 's3', 'ssh', 'http', 'http'],
    );
    for (const url of [
      'https://ada:secret@host/x',
      'https://ada@host/x',
      'ssh://ada:secret@host/x',
      'https://host/x?X-Amz-Signature=abc',
      's3://key:secret@bucket/x',
    ]) {
      assert.throws(() => kindOf(url), /holds a credential/, url);
    }
    assert.throws(() => kindOf('ftp://host/x'), /knows no remotes of the kind ftp/);
  });
});

import assert from 'node:assert/strict';
import { type ScheduleOptions, type Slots, schedule, type Task } from '../../runtime/execute/scheduler.ts';

const MACHINE: Slots = { cpus: 4, memory: 8, gpus: 1 };

/** Tasks that end when the test says so, so that nothing depends on time. */
class Bench {
  readonly begun: string[] = [];
  readonly skipped: string[] = [];
  readonly #ends = new Map<string, (end: 'done' | 'failed' | 'cancelled') => void>();
  readonly abort = new AbortController();

  start(tasks: Task[], options: Partial<ScheduleOptions> = {}) {
    return schedule(tasks, {
      jobs: 10,
      available: MACHINE,
      keepGoing: false,
      signal: this.abort.signal,
      run: ({ name }) => {
        this.begun.push(name);
        return new Promise((resolve) => this.#ends.set(name, resolve));
      },
      skip: ({ name }, end, reason) => this.skipped.push(`${name} ${end}: ${reason}`),
      ...options,
    });
  }

  async end(name: string, how: 'done' | 'failed' | 'cancelled' = 'done') {
    this.#ends.get(name)?.(how);
    // Lets the scheduler hear of it and begin what follows.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function task(name: string, needs: string[] = [], slots: Partial<Slots> = {}): Task {
  return { name, needs, slots: { cpus: 1, memory: 0, gpus: 0, ...slots } };
}

describe('the scheduler', () => {
  it('begins a step when all that it needs is done', async () => {
    const bench = new Bench();
    const ends = bench.start([task('c', ['a', 'b']), task('a'), task('b')]);
    assert.deepEqual(bench.begun, ['a', 'b']);
    await bench.end('a');
    assert.deepEqual(bench.begun, ['a', 'b']);
    await bench.end('b');
    assert.deepEqual(bench.begun, ['a', 'b', 'c']);
    await bench.end('c');
    assert.deepEqual([...(await ends).values()], ['done', 'done', 'done']);
  });

  it('runs no more at once than it may', async () => {
    const bench = new Bench();
    const ends = bench.start([task('a'), task('b'), task('c')], { jobs: 2 });
    assert.deepEqual(bench.begun, ['a', 'b']);
    await bench.end('b');
    assert.deepEqual(bench.begun, ['a', 'b', 'c']);
    await bench.end('a');
    await bench.end('c');
    await ends;
  });

  for (const [slot, asked] of [
    ['cpus', 3],
    ['memory', 5],
    ['gpus', 1],
  ] as const) {
    it(`waits for ${slot} that another step holds`, async () => {
      const bench = new Bench();
      const ends = bench.start([task('a', [], { [slot]: asked }), task('b', [], { [slot]: asked }), task('c')]);
      assert.deepEqual(bench.begun, ['a', 'c']);
      await bench.end('a');
      assert.deepEqual(bench.begun, ['a', 'c', 'b']);
      await bench.end('b');
      await bench.end('c');
      await ends;
    });
  }

  it('runs a step alone that asks for more cores than there are', async () => {
    const bench = new Bench();
    const ends = bench.start([task('a', [], { cpus: 64 }), task('b')]);
    assert.deepEqual(bench.begun, ['a']);
    await bench.end('a');
    assert.deepEqual(bench.begun, ['a', 'b']);
    await bench.end('b');
    await ends;
  });

  it('begins nothing after a failure, and lets what runs come to its end', async () => {
    const bench = new Bench();
    const ends = bench.start([task('a'), task('b'), task('c', ['b'])]);
    await bench.end('a', 'failed');
    await bench.end('b');
    assert.deepEqual(Object.fromEntries(await ends), { a: 'failed', b: 'done', c: 'skipped' });
    assert.deepEqual(bench.skipped, ['c skipped: an earlier step failed; -k goes on']);
  });

  it('keeps going with what does not need the failed step', async () => {
    const bench = new Bench();
    const ends = bench.start([task('a'), task('b', ['a']), task('c'), task('d', ['c'])], { keepGoing: true });
    await bench.end('a', 'failed');
    await bench.end('c');
    await bench.end('d');
    assert.deepEqual(Object.fromEntries(await ends), { a: 'failed', b: 'skipped', c: 'done', d: 'done' });
    assert.deepEqual(bench.skipped, ['b skipped: a did not succeed']);
  });

  it('begins nothing once it is cancelled', async () => {
    const bench = new Bench();
    const ends = bench.start([task('a'), task('b', ['a'])]);
    bench.abort.abort();
    await bench.end('a', 'cancelled');
    assert.deepEqual(Object.fromEntries(await ends), { a: 'cancelled', b: 'cancelled' });
  });

  it('comes to an end although tasks need each other', async () => {
    const bench = new Bench();
    const ends = await bench.start([task('a', ['b']), task('b', ['a'])]);
    assert.deepEqual([...ends.values()], ['skipped', 'skipped']);
  });
});

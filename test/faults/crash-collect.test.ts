import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { prepareStore } from '../../runtime/store/layout.ts';
import { openStore } from '../../runtime/store/open.ts';
import { readIndex } from '../../runtime/store/packs/pack.ts';
import { CrashFileSystem, crashStates, type Disk } from './crash-filesystem.ts';

/** On a disk in memory. Caches that do not matter are written to a real one beside it, which goes at the end. */
const FOLDER = fs.mkdtempSync(join(tmpdir(), 'mlpipe-crash-'));
const STORE = join(FOLDER, '.mlpipe');
const STATES = 100_000;

/** What had been promised when so many operations were done, and is needed from then on. */
interface Promised {
  after: number;
  needed: ReadonlySet<Digest>;
}

/** The same numbers on every machine (Park and Miller 1988). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % below;
  };
}

describe('after a loss of power amid puts, packs and collections', () => {
  after(() => fs.rmSync(FOLDER, { recursive: true, force: true }));

  it(`in ${STATES.toLocaleString('en-US')} states nothing is corrupt, nothing that was promised is lost, and the store opens`, async function () {
    this.timeout(600_000);
    const verdict = { states: 0, corrupt: 0, lost: 0, unopened: 0 };
    let collected = 0;
    for (let seed = 1; verdict.states < STATES; seed += 1) {
      const { before, files, promised, count } = await story(seed);
      collected += count;
      for (let done = 0; done <= files.operations.length; done += 1) {
        const needed = promised.findLast(({ after }) => after <= done)?.needed ?? new Set<Digest>();
        for (const disk of crashStates(before, files.operations, done)) {
          verdict.states += 1;
          judge(disk, needed, verdict);
        }
      }
    }
    assert.deepEqual({ ...verdict, states: 0 }, { states: 0, corrupt: 0, lost: 0, unopened: 0 });
    assert.ok(collected > 50, `only ${collected} objects were collected`);
  });

  it('the test sees what happens without the syncs', async () => {
    for (const missing of ['sync', 'sync-folder'] as const) {
      const verdict = { states: 0, corrupt: 0, lost: 0, unopened: 0 };
      for (let seed = 1; seed < 5; seed += 1) {
        const { before, files, promised } = await story(seed);
        const operations = files.operations.filter(({ kind }) => kind !== missing && kind !== 'sync-everything');
        const needed = promised.at(-1)?.needed ?? new Set<Digest>();
        for (const disk of crashStates(before, operations, operations.length)) judge(disk, needed, verdict);
      }
      assert.ok(missing === 'sync' ? verdict.corrupt > 0 : verdict.lost > 0, missing);
    }
  });

  /** Some puts, which are needed later or not, and collections between them. */
  async function story(seed: number) {
    const next = random(seed);
    const before = emptyStore();
    const files = new CrashFileSystem(next(2) === 0, before);
    files.isOld = true;
    const store = openStore(STORE, { files });
    const needed = new Set<Digest>();
    const inside = new Set<Digest>();
    const promised: Promised[] = [];
    let count = 0;
    for (let step = 0; step < 7; step += 1) {
      const choice = next(4);
      if (choice === 0) {
        const found = await store.collect({ roots: async () => needed, grace: 0, keep: 0 });
        count += found.collected.objects;
      } else if (choice === 1) {
        const path = many(next(3), 201 + next(3));
        const { digest } = await store.put(path);
        if (next(2) === 0) {
          needed.add(digest);
          // The first file of the folder stands for all of them: they share a pack.
          inside.add(digestOf(`${basename(path).split('-')[0]} 0`));
        }
      } else {
        const { digest } = await store.putBytes(`content ${next(5)}`);
        if (next(2) === 0) needed.add(digest);
        else if (next(3) === 0) needed.delete(digest);
      }
      promised.push({ after: files.operations.length, needed: new Set([...needed, ...inside]) });
    }
    return { before, files, promised, count };
  }

  /** So many small files that they go into a pack. */
  function many(name: number, count: number): string {
    const path = join(FOLDER, `${name}-${count}`);
    if (fs.existsSync(path)) return path;
    fs.mkdirSync(path);
    for (let file = 0; file < count; file += 1) fs.writeFileSync(join(path, String(file)), `${name} ${file}`);
    return path;
  }
});

/** A disk with an empty store on it, all of it synced. */
function emptyStore(): Disk {
  const files = new CrashFileSystem(true);
  prepareStore(files, STORE);
  return files.disk();
}

function judge(
  disk: Disk,
  needed: ReadonlySet<Digest>,
  verdict: { corrupt: number; lost: number; unopened: number },
): void {
  const files = new CrashFileSystem(true, disk);
  const store = opened(files);
  if (!store) {
    verdict.unopened += 1;
    return;
  }
  for (const [path, { bytes }] of disk.files) {
    if (path.startsWith(`${STORE}/objects/`) && digestAt(path) !== digestOf(bytes)) verdict.corrupt += 1;
    const name = path.startsWith(`${STORE}/packs/`) ? path.slice(`${STORE}/packs/`.length, -'.pack'.length) : '';
    if (name !== '' && !isWholePack(files, path, name)) verdict.corrupt += 1;
  }
  for (const digest of needed) if (!store.has(digest)) verdict.lost += 1;
}

function opened(files: CrashFileSystem) {
  try {
    return openStore(STORE, { files });
  } catch {
    return undefined;
  }
}

/** Judged by every object in it, once for each content that is met. */
const judged = new Map<string, boolean>();
function isWholePack(files: CrashFileSystem, path: string, name: string): boolean {
  const bytes = files.read(path);
  const known = `${name} ${digestOf(bytes)}`;
  let whole = judged.get(known);
  if (whole === undefined) {
    const entries = [...(readIndex(files, path, name)?.entries() ?? [])];
    whole =
      entries.length > 0 &&
      entries.every(
        ({ digest, offset, bytes: length }) => digestOf(bytes.subarray(offset, offset + length)) === digest,
      );
    judged.set(known, whole);
  }
  return whole;
}

function digestAt(path: string): string {
  const [shard, name] = path.split('/').slice(-2);
  return `sha256:${shard}${name}`;
}

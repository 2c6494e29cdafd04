/**
 * What of many names a remote has, without listing everything. A question for one name (`head`) costs a request, a
 * listing costs one for each page of the shard, however few of its names are wanted; so each shard is listed where more
 * names of it are wanted than it has pages. How many that is, is told by listing one shard: names are digests, so that
 * all shards are of about one size.
 */
import type { Bytes } from '../../../grammar/plan/plan.ts';
import { inParallel, type Pace } from './concurrency.ts';
import type { RemoteDriver } from './driver.ts';
import { persistently, type RetryOptions } from './retry.ts';

/** So few are asked for one by one without any listing. */
export const FEW = 32;

/** `objects/ab/`, by which names are listed. */
const SHARD = 'objects/ab/'.length;

export interface Presence {
  bytes: Bytes;
  /** A listing may be older than what has become of the remote since. */
  seen: 'head' | 'list';
}

export interface PresenceOptions {
  pace: Pace;
  retry?: RetryOptions;
  signal?: AbortSignal;
}

/** @param names of the form `objects/ab/cdef…` or `records/ab/cdef….json` */
export async function presentOn(
  driver: RemoteDriver,
  names: readonly string[],
  options: PresenceOptions,
): Promise<Map<string, Presence>> {
  const found = new Map<string, Presence>();
  const { signal, pace } = options;
  const retry = { ...options.retry, ...(signal === undefined ? {} : { signal }) };
  const ask = (wanted: readonly string[]) =>
    inParallel(
      wanted,
      pace,
      async (name, inner) => {
        const bytes = await persistently(() => driver.head(name, inner), { ...retry, onFault: pace.failed });
        if (bytes !== undefined) found.set(name, { bytes, seen: 'head' });
      },
      signal,
    );
  /** Answers how many names the shard has, wanted or not. */
  const list = (shard: string, wanted: ReadonlySet<string>) =>
    persistently(
      async () => {
        let count = 0;
        for await (const { name, bytes } of driver.list(shard, signal)) {
          count += 1;
          if (wanted.has(name)) found.set(name, { bytes, seen: 'list' });
        }
        return count;
      },
      { ...retry, onFault: pace.failed },
    );

  const shards = new Map<string, Set<string>>();
  for (const name of names) {
    const shard = name.slice(0, SHARD);
    const wanted = shards.get(shard) ?? new Set();
    wanted.add(name);
    shards.set(shard, wanted);
  }
  const first = [...shards].sort(([, one], [, other]) => other.size - one.size)[0];
  if (first === undefined) return found;
  if (!driver.abilities.list || names.length <= FEW) {
    await ask([...new Set(names)]);
    return found;
  }
  const count = await list(...first);
  shards.delete(first[0]);
  const pages = Math.max(1, Math.ceil(count / driver.abilities.pageSize));
  const [many, few] = [new Map<string, Set<string>>(), [] as string[]];
  for (const [shard, wanted] of shards) {
    if (wanted.size > pages) many.set(shard, wanted);
    else few.push(...wanted);
  }
  await inParallel(many, pace, async ([shard, wanted]) => void (await list(shard, wanted)), signal);
  await ask(few);
  return found;
}

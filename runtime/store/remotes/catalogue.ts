/**
 * The names of records, of what lies beside them and of checkpoints, for readers that cannot list: HTTP without WebDAV.
 *
 *     index/<sha256>.names   one push's names, or many pushes' united; what is in it never changes
 *     index/all              which of those there are: all that a reader must know to begin with
 *
 * A name may be written here before what it names is there, and never after: a reader passes over what it does not find.
 * `index/all` alone is ever replaced. It is made from a listing, and made again until a listing shows nothing else, so
 * that of two who push at once the last one to write has seen what both have sent. For a moment before that a reader may
 * miss what one of them has sent; the next time it is there, as it is after the next push where a writer was killed.
 */
import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import type { Bytes } from '../../../grammar/plan/plan.ts';
import { bytesOf, contentOf, RemoteFault } from './driver.ts';
import { corruptOnRemote, remoteFailure } from './failure.ts';
import { guarded } from './retry.ts';
import type { Line } from './transfer.ts';

const FOLDER = 'index/';
const ROOT = 'index/all';
const FORMAT = 'mlpipe-index/1';
const SUFFIX = '.names';

/** From so many on they are united, so that a new reader asks for few. */
const MANY = 64;
/** Each of those who push at once may spoil a round of another. */
const ROUNDS = 50;

/** What `index/all` and a file of names may be at most: a million records with two signatures each. */
const LARGEST = 512 * 2 ** 20;

/** Keeps files of names from one time to the next; what is in one never changes. */
export interface NamesCache {
  read(digest: string): Buffer | undefined;
  write(digest: string, content: Buffer): void;
}

const FORGETFUL: NamesCache = { read: () => undefined, write: () => undefined };

/**
 * Says that there are these names, or will be in a moment. Where nothing was ever said, everything that is there already
 * is said, too.
 *
 * @param everything what to say where nothing was ever said
 */
export async function publishNames(
  line: Line,
  names: readonly string[],
  everything: () => Promise<readonly string[]>,
): Promise<void> {
  try {
    const before = await listed(line);
    const said = before.length === 0 ? [...names, ...(await everything())] : names;
    if (said.length > 0) await sendNames(line, said);
    if (before.length >= MANY) await unite(line, before);
    await settleRoot(line);
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, 'its index of names', error);
  }
}

/** Every name that was ever said; none where nobody said any. @throws MlpipeError `remote-corrupt` and others */
export async function publishedNames(line: Line, cache: NamesCache = FORGETFUL): Promise<Set<string>> {
  try {
    // Who unites files takes the old ones away; then what names them was old, too.
    for (let attempt = 0; ; attempt += 1) {
      const names = new Set<string>();
      let gone = false;
      for (const digest of await rootOf(line)) {
        const content = await namesFile(line, digest, cache);
        if (content === undefined) gone = true;
        else for (const name of linesOf(content)) names.add(name);
      }
      if (!gone || attempt === 3) return names;
    }
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, 'its index of names', error);
  }
}

async function sendNames(line: Line, names: readonly string[]): Promise<string> {
  const content = Buffer.from(`${FORMAT}\n${[...new Set(names)].sort().join('\n')}\n`);
  const digest = sha256(content);
  const name = `${FOLDER}${digest}${SUFFIX}`;
  await line.attempt(({ signal }) => line.driver.put(name, contentOf(content, digest), { signal }));
  await line.driver.settle();
  return digest;
}

/** One file in the place of many. What it has was there before the others go. */
async function unite(line: Line, digests: readonly string[]): Promise<void> {
  const names = new Set<string>();
  const read: string[] = [];
  for (const digest of digests) {
    const content = await namesFile(line, digest, FORGETFUL);
    if (content === undefined) continue;
    for (const name of linesOf(content)) names.add(name);
    read.push(digest);
  }
  const united = await sendNames(line, [...names]);
  await settleRoot(line);
  for (const digest of read) {
    if (digest === united) continue;
    // A remote on which nothing may be removed keeps them; they say nothing wrong.
    await line.driver.delete(`${FOLDER}${digest}${SUFFIX}`, line.signal).catch(() => undefined);
  }
}

/** Writes `index/all` until it says what a listing shows that was made after it was written. */
async function settleRoot(line: Line): Promise<void> {
  for (let round = 0; ; round += 1) {
    const there = await listed(line);
    const said = await rootOf(line).catch((error: unknown) => {
      // What another has just half written, or garbled, is written again.
      if (line.signal?.aborted) throw error;
      return undefined;
    });
    if (said !== undefined && said.join() === there.join()) return;
    if (round === ROUNDS) throw new RemoteFault('others change it again and again', 'transient');
    if (round > 1) await wait(Math.random() * 20 * round);
    const content = Buffer.from(`${FORMAT} ${there.length}\n${there.map((digest) => `${digest}\n`).join('')}`);
    await line.attempt(({ signal }) => line.driver.put(ROOT, contentOf(content), { replace: true, signal }));
    await line.driver.settle();
  }
}

/** Digests of the files of names, sorted. */
async function listed(line: Line): Promise<string[]> {
  return line.attempt(async ({ signal, alive }) => {
    const digests = new Set<string>();
    for await (const { name } of line.driver.list(FOLDER, signal)) {
      alive();
      const digest = /^index\/([0-9a-f]{64})\.names$/.exec(name)?.[1];
      if (digest !== undefined) digests.add(digest);
    }
    return [...digests].sort();
  });
}

/** What `index/all` names, sorted; nothing where there is none. */
async function rootOf(line: Line): Promise<string[]> {
  const content = await read(line, ROOT);
  if (content === undefined) return [];
  const [head = '', ...digests] = content.toString('utf8').trimEnd().split('\n');
  const whole = head === `${FORMAT} ${digests.length}` && digests.every((digest) => /^[0-9a-f]{64}$/.test(digest));
  if (!whole) throw corruptOnRemote(line.driver.address, `\`${ROOT}\``, 'it is not what mlpipe writes');
  return digests;
}

async function namesFile(line: Line, digest: string, cache: NamesCache): Promise<Buffer | undefined> {
  const known = cache.read(digest);
  if (known !== undefined && sha256(known) === digest) return known;
  const content = await read(line, `${FOLDER}${digest}${SUFFIX}`);
  if (content === undefined) return undefined;
  if (sha256(content) !== digest || !content.toString('utf8', 0, FORMAT.length + 1).startsWith(`${FORMAT}\n`))
    throw corruptOnRemote(line.driver.address, `\`${FOLDER}${digest}${SUFFIX}\``, 'it does not fit its digest');
  cache.write(digest, content);
  return content;
}

function linesOf(content: Buffer): string[] {
  return content
    .toString('utf8')
    .split('\n')
    .slice(1)
    .filter((each) => each !== '');
}

function read(line: Line, name: string): Promise<Buffer | undefined> {
  return readSmall(line, name, LARGEST);
}

/** A file that is held in memory. @throws RemoteFault where it is larger than it may be */
export function readSmall(line: Line, name: string, most: Bytes, signal = line.signal): Promise<Buffer | undefined> {
  return line.attempt(async (guard) => {
    const body = await line.driver.get(name, { signal: guard.signal });
    if (body === undefined) return undefined;
    return bytesOf({ ...body, chunks: atMost(guarded(body.chunks, guard), most, name) });
  }, signal);
}

async function* atMost(chunks: AsyncIterable<Uint8Array>, most: Bytes, name: string): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > most) throw new RemoteFault(`${name} is larger than ${most} bytes`, 'refused');
    yield chunk;
  }
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/**
 * A log on a remote. Nothing there is ever replaced: every name has the digest of its content, so that two logs of one
 * writer lie side by side, and whoever reads both sees that they part.
 *
 *     log/checkpoints/WRITER/000000001797-<sha256>   a checkpoint of 1,797 entries, the writer's key, and `list`
 *     log/entries/WRITER/<sha256>                    a list: the digests of its pages, 32 bytes each
 *     log/entries/WRITER/<sha256>                    a page: the digests of 1,024 records, 32 bytes each; the last is shorter
 */
import { createHash } from 'node:crypto';
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import { type PublicKey, parsePublicKey } from '../ledger/keys/public-key.ts';
import { type Checkpoint, openCheckpoint } from '../ledger/log/checkpoint.ts';
import { originOf, WRITER } from '../ledger/log/logs.ts';
import type { Hash } from '../ledger/log/merkle.ts';
import { CHECKPOINT_NAME } from '../ledger/log/tracking.ts';
import { readSmall } from '../store/remotes/catalogue.ts';
import { inParallel } from '../store/remotes/concurrency.ts';
import { contentOf } from '../store/remotes/driver.ts';
import { remoteFailure } from '../store/remotes/failure.ts';
import { type Line, settled } from '../store/remotes/transfer.ts';

const FORMAT = 'mlpipe-remote-log/1';
export const CHECKPOINTS = 'log/checkpoints/';
/** Records a page. */
const PAGE = 1024;
/** A checkpoint with its key is a few hundred bytes. */
const LARGEST_HEAD = 64 * 1024;
/** Of a list, and so of a log: some 268 million entries. */
const LARGEST_LIST = 8 * 2 ** 20;

/** A checkpoint on a remote, as its name says it. */
export interface HeadName {
  writer: string;
  size: number;
  /** What follows the writer. */
  name: string;
}

export interface Head extends HeadName {
  note: string;
  key: PublicKey;
  checkpoint: Checkpoint;
  /** Of the list of its pages; nothing where the checkpoint was met before. */
  list?: string;
}

export function parseHeadName(name: string): HeadName | undefined {
  const [writer = '', base = '', ...more] = name.startsWith(CHECKPOINTS)
    ? name.slice(CHECKPOINTS.length).split('/')
    : [];
  const size = CHECKPOINT_NAME.exec(base)?.[1];
  return WRITER.test(writer) && size !== undefined && more.length === 0
    ? { writer, size: Number(size), name: base }
    : undefined;
}

/** What a checkpoint's file says. @returns why it cannot be believed, where it cannot */
export function openHead({ writer, size, name }: HeadName, content: Buffer): Head | { problem: string } {
  if (sha256(content) !== CHECKPOINT_NAME.exec(name)?.[2]) return { problem: 'is not what its name says' };
  try {
    const value = JSON.parse(content.toString('utf8')) as { [field: string]: unknown };
    const { checkpoint: note, key: line, list } = value;
    if (value.format !== FORMAT) return { problem: `has the format ${JSON.stringify(value.format)}` };
    if (
      typeof note !== 'string' ||
      typeof line !== 'string' ||
      typeof list !== 'string' ||
      !/^[0-9a-f]{64}$/.test(list)
    )
      return { problem: 'is not what mlpipe writes' };
    const opened = openNote({ writer, size }, note, parsePublicKey(line));
    return 'problem' in opened ? opened : { writer, size, name, list, ...opened };
  } catch {
    return { problem: 'cannot be understood' };
  }
}

/** The same for a note of which only the text was kept. */
export function openNote(
  { writer, size }: Pick<HeadName, 'writer' | 'size'>,
  note: string,
  key: PublicKey,
): { note: string; key: PublicKey; checkpoint: Checkpoint } | { problem: string } {
  if (!writer.startsWith(key.id.slice(0, 16))) return { problem: 'has another key than its log’s name says' };
  const checkpoint = openCheckpoint(note, key);
  if ('problem' in checkpoint) return checkpoint;
  if (checkpoint.origin !== originOf(writer)) return { problem: 'is of another log' };
  return checkpoint.size === size ? { note, key, checkpoint } : { problem: 'is of another size than its name says' };
}

/** What is to be sent of one log: pages and list first, then what makes them known. */
export interface OutgoingLog {
  writer: string;
  size: number;
  name: string;
  note: string;
  head: Buffer;
  /** By digest, in hexadecimal. */
  entries: Map<string, Buffer>;
}

/**
 * @param records digests of the first `size` entries, in order
 * @param there so many of the first entries the remote has already, as a checkpoint there proves
 */
export function outgoingLog(
  { writer, size, note, key }: { writer: string; size: number; note: string; key: PublicKey },
  records: Iterable<Hash>,
  there: number,
): OutgoingLog {
  const entries = new Map<string, Buffer>();
  const pages: Buffer[] = [];
  let page: Hash[] = [];
  const turn = () => {
    if (page.length === 0) return;
    const content = Buffer.concat(page);
    const digest = sha256(content);
    if ((pages.length + 1) * PAGE > there) entries.set(digest, content);
    pages.push(Buffer.from(digest, 'hex'));
    page = [];
  };
  for (const record of records) {
    page.push(record);
    if (page.length === PAGE) turn();
  }
  turn();
  const list = Buffer.concat(pages);
  entries.set(sha256(list), list);
  const head = Buffer.from(canonicalJson({ checkpoint: note, format: FORMAT, key: key.text, list: sha256(list) }));
  return { writer, size, name: `${String(size).padStart(12, '0')}-${sha256(head)}`, note, head, entries };
}

/** Sends logs: every checkpoint after the entries that it stands for. */
export async function sendLogs(logs: readonly OutgoingLog[], line: Line, repair: boolean): Promise<void> {
  if (logs.length === 0) return;
  const { driver, pace, signal } = line;
  const send = (files: Iterable<[string, Buffer]>) =>
    inParallel(
      files,
      pace,
      async ([name, content], inner) => {
        try {
          await line.attempt(
            ({ signal: guard }) =>
              driver.put(name, contentOf(content, sha256(content)), { signal: guard, replace: repair }),
            inner,
          );
        } catch (error) {
          if (inner.aborted) throw error;
          throw remoteFailure(driver.address, `the log file ${name}`, error);
        }
      },
      signal,
    );
  await send(
    logs.flatMap(({ writer, entries }) =>
      [...entries].map(([digest, content]): [string, Buffer] => [entriesName(writer, digest), content]),
    ),
  );
  await settled(line);
  await send(logs.map(({ writer, name, head }): [string, Buffer] => [`${CHECKPOINTS}${writer}/${name}`, head]));
  await settled(line);
}

/** Nothing where it is not there. @throws MlpipeError what reaching the remote throws */
export async function receiveHead(name: HeadName, line: Line): Promise<Head | { problem: string } | undefined> {
  const path = `${CHECKPOINTS}${name.writer}/${name.name}`;
  const content = await reading(line, path, () => readSmall(line, path, LARGEST_HEAD));
  return content && openHead(name, content);
}

/**
 * The digests of a log's entries, as a checkpoint lists them: each file of them is what its name says. Whether they are
 * those that the checkpoint's root stands for is the caller's to find out.
 *
 * @param here pages that are here already, by digest
 */
export async function receiveEntries(
  { writer, size, list }: { writer: string; size: number; list: string },
  here: ReadonlyMap<string, Buffer>,
  line: Line,
): Promise<Buffer[] | { problem: string }> {
  const get = async (digest: string, most: number): Promise<Buffer | undefined> => {
    const known = here.get(digest);
    if (known) return known;
    const path = entriesName(writer, digest);
    const content = await reading(line, path, () => readSmall(line, path, most));
    return content !== undefined && sha256(content) === digest ? content : undefined;
  };
  const listed = await get(list, LARGEST_LIST);
  const count = Math.ceil(size / PAGE);
  if (listed?.length !== count * 32) return { problem: 'the list of its entries is not there whole' };
  const pages = new Array<Buffer | undefined>(count);
  await inParallel(
    pages.keys(),
    line.pace,
    async (index) => {
      pages[index] = await get(listed.subarray(index * 32, (index + 1) * 32).toString('hex'), PAGE * 32);
    },
    line.signal,
  );
  const records: Buffer[] = [];
  for (const [index, page] of pages.entries()) {
    if (page?.length !== Math.min(PAGE, size - index * PAGE) * 32)
      return { problem: 'not all of its entries are there' };
    for (let at = 0; at < page.length; at += 32) records.push(page.subarray(at, at + 32));
  }
  return records;
}

function entriesName(writer: string, digest: string): string {
  return `log/entries/${writer}/${digest}`;
}

async function reading<Result>(line: Line, path: string, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, `the log file ${path}`, error);
  }
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

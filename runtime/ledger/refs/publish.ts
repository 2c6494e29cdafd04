/**
 * Writes a log, its checkpoint and the records that it names into refs of the git repository, so that they travel with
 * it. Records come first: where a checkpoint is, everything that it stands for is, too.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../../errors.ts';
import { readFailure } from '../../store/errors.ts';
import type { OwnKey } from '../keys/key-folder.ts';
import type { Ledger } from '../ledger.ts';
import { type Checkpoint, openCheckpoint } from '../log/checkpoint.ts';
import { type Log, logsIn, makeCheckpoint } from '../log/logs.ts';
import { equal } from '../log/merkle.ts';
import { RecordFiles } from '../record-files.ts';
import { logRef, recordsRef } from './names.ts';
import { commitFiles, moveRef, must, readObjects } from './objects.ts';

export interface PublishedLog {
  writer: string;
  /** Of the log. */
  entries: number;
  /** How many of them were not published before. */
  added: number;
  commit: string;
}

/** Entries a file: 32 KiB, so that a publication rewrites little and a large log is few files. */
export const CHUNK = 1024;

export const chunkPath = (index: number) => `entries/${String(index).padStart(6, '0')}`;

/**
 * Publishes what this person has logged here.
 *
 * @throws MlpipeError `no-repository`, `log-diverged`, `ref-busy`, and where there is no key
 */
export async function publish(root: string, ledger: Ledger): Promise<PublishedLog[]> {
  await must(root, ['rev-parse', '--git-dir']);
  const writer = await ledger.writer();
  if (writer === undefined) {
    throw new MlpipeError('There is no key to sign a checkpoint with.', {
      code: 'key-missing',
      todo: 'Make one with `mlpipe keys add`, and see what it says.',
      exit: EXIT.usage,
    });
  }
  const { logs } = logsIn(ledger.files, ledger.folder);
  const published: PublishedLog[] = [];
  for (const log of logs.filter(({ key }) => key.text === writer.own.key.text)) {
    const done = await publishLog(root, ledger, log, writer.own);
    log.close();
    if (done) published.push(done);
  }
  return published;
}

async function publishLog(root: string, ledger: Ledger, log: Log, own: OwnKey): Promise<PublishedLog | undefined> {
  const { note, checkpoint } = makeCheckpoint(ledger.files, ledger.folder, log, own.sign);
  if (checkpoint.size === 0) return undefined;
  // Another process may publish at the same time: then what it has done is the beginning.
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const before = await lastPublished(root, log);
    if (before && before.size >= checkpoint.size)
      return { writer: log.writer, entries: checkpoint.size, added: 0, commit: before.commit };
    const first = before?.size ?? 0;
    if (before && !equal(log.entries.root(first), before.root)) throw diverged(log, logRef(log.writer));
    const rows = [...log.entries.rows(first - (first % CHUNK), checkpoint.size)];
    const added = rows.filter(({ index }) => index >= first).map(({ record }): Digest => `sha256:${hex(record)}`);
    if (!(await publishRecords(root, ledger, log.writer, added))) continue;
    const pages = new Map<string, Uint8Array>([
      ['checkpoint', Buffer.from(note)],
      ['key', Buffer.from(`${log.key.text}\n`)],
    ]);
    for (let at = 0; at < rows.length; at += CHUNK) {
      const page = rows.slice(at, at + CHUNK);
      pages.set(chunkPath(Math.floor((page[0]?.index ?? 0) / CHUNK)), Buffer.concat(page.map(({ record }) => record)));
    }
    const message = `${checkpoint.size} entries of ${log.writer}\n`;
    const commit = await commitFiles(root, pages, message, before?.commit);
    if (!(await moveRef(root, logRef(log.writer), commit, before?.commit))) continue;
    return { writer: log.writer, entries: checkpoint.size, added: added.length, commit };
  }
  throw new MlpipeError(`Another process publishes the log ${log.writer}, again and again.`, {
    code: 'ref-busy',
    todo: 'Wait until it is done, and publish again.',
    exit: EXIT.usage,
  });
}

/** In pieces, because each is held in memory. @returns whether nobody else has moved the ref meanwhile */
async function publishRecords(
  root: string,
  ledger: Ledger,
  writer: string,
  added: readonly Digest[],
): Promise<boolean> {
  for (let from = 0; from < added.length; from += PIECE) {
    const piece = added.slice(from, from + PIECE);
    const before = await tip(root, recordsRef(writer));
    const commit = await commitFiles(
      root,
      recordFiles(ledger, piece),
      `${piece.length} records of ${writer}\n`,
      before,
    );
    if (!(await moveRef(root, recordsRef(writer), commit, before))) return false;
  }
  return true;
}

const PIECE = 20_000;

async function lastPublished(root: string, log: Log): Promise<(Checkpoint & { commit: string }) | undefined> {
  const commit = await tip(root, logRef(log.writer));
  if (commit === undefined) return undefined;
  const [note] = await readObjects(root, [`${commit}:checkpoint`]);
  const opened = note ? openCheckpoint(note.toString('utf8'), log.key) : { problem: 'is not there' };
  if (!('origin' in opened)) throw diverged(log, logRef(log.writer));
  return { ...opened, commit };
}

export async function tip(root: string, ref: string): Promise<string | undefined> {
  const { stdout } = await must(root, ['for-each-ref', '--format=%(objectname)', ref]);
  return stdout.toString('utf8').trim() || undefined;
}

/** The records and all their signatures, by their paths in the tree. */
function recordFiles(ledger: Ledger, digests: readonly Digest[]): Map<string, Buffer> {
  const { folder } = new RecordFiles(ledger.files, ledger.folder);
  const files = new Map<string, Buffer>();
  const shards = new Map<string, string[]>();
  for (const digest of digests) {
    const path = folder.path(digest);
    const shard = dirname(path);
    const rest = digest.slice('sha256:'.length + 2);
    const names = shards.get(shard) ?? readdirSync(shard);
    shards.set(shard, names);
    for (const name of names.filter((each) => each.startsWith(rest))) {
      try {
        files.set(`${digest.slice(7, 9)}/${name}`, readFileSync(join(shard, name)));
      } catch (error) {
        throw readFailure(join(shard, name), error);
      }
    }
    if (!files.has(`${digest.slice(7, 9)}/${rest}.json`)) {
      throw new MlpipeError(`The record ${digest} is in the log and has no file.`, {
        code: 'record-missing',
        todo: 'Bring it back from a copy; `mlpipe verify` says what else is wrong.',
      });
    }
  }
  return files;
}

export function diverged(log: Pick<Log, 'writer'>, where: string): MlpipeError {
  return new MlpipeError(`The log ${log.writer} is not what ${where} says that it was.`, {
    code: 'log-diverged',
    todo: 'It was changed, or an older copy was put in its place: `mlpipe verify` says where they part. Bring the log back, or move its folder away: another is begun.',
  });
}

function hex(hash: Uint8Array): string {
  return Buffer.from(hash).toString('hex');
}

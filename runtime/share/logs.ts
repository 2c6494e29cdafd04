/**
 * The logs of a project and those of a remote, held against each other: what is newer goes there or comes here, and
 * where two logs of one writer part it is told, and neither is changed.
 */
import type { Ledger } from '../ledger/ledger.ts';
import {
  giveUpLog,
  keepCheckpoint,
  keepForeignLog,
  type Log,
  lastCheckpoint,
  logsIn,
  makeCheckpoint,
} from '../ledger/log/logs.ts';
import { equal, GrowingTree, leafHash } from '../ledger/log/merkle.ts';
import { heldEntries, isOwnLog, noteHeld, trackCheckpoint, trackedCheckpoint } from '../ledger/log/tracking.ts';
import { inParallel } from '../store/remotes/concurrency.ts';
import { remoteFailure } from '../store/remotes/failure.ts';
import { hasRecord } from '../store/remotes/records.ts';
import type { Line } from '../store/remotes/transfer.ts';
import {
  CHECKPOINTS,
  type Head,
  type HeadName,
  type OutgoingLog,
  openNote,
  outgoingLog,
  parseHeadName,
  receiveEntries,
  receiveHead,
  sendLogs,
} from './log-files.ts';

/** Where logs are looked for. */
export interface LogPlace {
  ledger: Ledger;
  line: Line;
  /** The remote's name. */
  remote: string;
  /** Told of what is not as it should be. */
  problem: (message: string) => void;
}

/** What a push is to send of the logs. */
export interface LogPlan {
  logs: OutgoingLog[];
  /** The names that make them known. */
  names: string[];
}

/**
 * Signs how far the own log has come, and finds out what of the logs here the remote lacks. To be called when the
 * records that are to be sent are known: then the log has them all.
 */
export async function planLogs(place: LogPlace, { repair = false } = {}): Promise<LogPlan> {
  const { ledger, remote } = place;
  const own = await ledger.existingWriter();
  const there = await headsOn(place, await headNames(place));
  const plan: LogPlan = { logs: [], names: [] };
  for (const log of logsIn(ledger.files, ledger.folder).logs) {
    try {
      if (own?.own.key.text === log.key.text) makeCheckpoint(ledger.files, ledger.folder, log, own.own.sign);
      const best = lastNote(ledger, log);
      const heads = there.get(log.writer) ?? [];
      const agreed = compare(place, log, heads);
      if (agreed === undefined || best === undefined) continue;
      if (heads.some(({ size }) => size > log.entries.size()) && isOwnLog(ledger.files, ledger.folder, log.writer)) {
        place.problem(olderCopy(log, heads.at(-1)?.size ?? 0, place));
        continue;
      }
      if (heads.some(({ size }) => size >= best.size) && !repair) continue;
      const { writer, key } = log;
      const { size, note } = best;
      const rows = log.entries.rows(0, size);
      const outgoing = outgoingLog({ writer, size, note, key }, digestsOf(rows), repair ? 0 : agreed);
      plan.logs.push(outgoing);
      plan.names.push(`${CHECKPOINTS}${writer}/${outgoing.name}`);
    } finally {
      log.close();
    }
  }
  for (const head of [...there.values()].flat()) trackCheckpoint(ledger.files, ledger.folder, { remote, ...head });
  return plan;
}

/** Sends what was planned; from then on it has left this machine. @returns whose logs were sent */
export async function pushLogs({ ledger, line, remote }: LogPlace, plan: LogPlan, repair = false): Promise<string[]> {
  await sendLogs(plan.logs, line, repair);
  for (const { writer, name, note } of plan.logs)
    trackCheckpoint(ledger.files, ledger.folder, { remote, writer, name, note });
  return plan.logs.map(({ writer }) => writer).sort();
}

/**
 * Brings the logs here to what the remote has. To be called when the records have arrived.
 *
 * @param published names, of a remote that cannot list
 * @returns whose logs have grown here
 */
export async function pullLogs(place: LogPlace, published?: ReadonlySet<string>): Promise<string[]> {
  const { ledger, remote } = place;
  const grown: string[] = [];
  for (const [writer, heads] of await headsOn(place, await headNames(place, published))) {
    if (await pullLog(place, writer, heads)) grown.push(writer);
    // Also of those that were not taken up: `mlpipe verify` goes on saying that they part.
    for (const head of heads) trackCheckpoint(ledger.files, ledger.folder, { remote, ...head });
  }
  for (const log of logsIn(ledger.files, ledger.folder).logs) {
    log.close();
    // Records of it may have arrived without the log having grown.
    const before = heldEntries(ledger.files, ledger.folder, log);
    if (Number.isFinite(before)) held(ledger, log, before);
  }
  return grown.sort();
}

/** @returns whether the log has grown here */
async function pullLog(place: LogPlace, writer: string, heads: readonly Head[]): Promise<boolean> {
  const { ledger, line, problem } = place;
  const { files, folder } = ledger;
  const known = logsIn(files, folder).logs.find((log) => log.writer === writer);
  known?.close();
  const before = known?.entries.size() ?? 0;
  if (known && compare(place, known, heads) === undefined) return false;
  const newest = heads.at(-1);
  if (newest === undefined || newest.size <= before) return false;
  const head = newest.list === undefined ? await receiveHead(newest, line) : newest;
  const where = `The checkpoint ${newest.name.slice(0, 21)} of the log ${writer} on ${line.driver.address}`;
  if (head === undefined || 'problem' in head || head.list === undefined) {
    problem(`${where} ${head && 'problem' in head ? head.problem : 'is not there any more'}.`);
    return false;
  }
  const records = await receiveEntries({ writer, size: head.size, list: head.list }, new Map(), line);
  if ('problem' in records) {
    problem(`${where} is not taken up: ${records.problem}.`);
    return false;
  }
  const roots = rootsOf(records, heads);
  if (!isRoot(roots, head)) {
    problem(`${where} is not taken up: its entries are not those that it stands for.`);
    return false;
  }
  const unlike = heads.find((each) => !isRoot(roots, each));
  if (unlike) {
    problem(forkOf(writer, unlike.size, `two checkpoints on ${line.driver.address}`));
    return false;
  }
  if (known) {
    for (const { index, record } of known.entries.rows(0, before)) {
      if (equal(record, records[index] ?? new Uint8Array())) continue;
      problem(forkOf(writer, index + 1, `this store and ${line.driver.address}`));
      return false;
    }
    if (isOwnLog(files, folder, writer)) {
      problem(`${olderCopy(known, head.size, place)} From now on another log is written here.`);
      giveUpLog(files, folder, known);
      ledger.reopenLog();
    }
  }
  const log = keepForeignLog(files, folder, writer, head.key);
  if (log === undefined) {
    problem(`The log ${writer} on ${line.driver.address} is not taken up: its key is another than it was.`);
    return false;
  }
  try {
    log.entries.append(records.slice(before), before, before);
    keepCheckpoint(files, folder, log, head.note);
    held(ledger, log, before);
    return true;
  } finally {
    log.close();
  }
}

function held(ledger: Ledger, log: Log, before: number): void {
  noteHeld(ledger.files, ledger.folder, log, { before, has: (digest) => hasRecord(ledger.folder, digest) });
}

/**
 * Holds a log against a remote's checkpoints of it, as far as both go.
 *
 * @returns how many entries the largest has that both agree on; nothing where they part, which was told then
 */
function compare({ line, problem }: LogPlace, log: Log, heads: readonly Head[]): number | undefined {
  const here = log.entries.size();
  let agreed = 0;
  for (const { size, checkpoint } of heads) {
    if (size > here) continue;
    if (!equal(log.entries.root(size), checkpoint.root)) {
      problem(forkOf(log.writer, size, `this store and ${line.driver.address}`));
      return undefined;
    }
    agreed = Math.max(agreed, size);
  }
  return agreed;
}

function forkOf(writer: string, size: number, where: string): string {
  return `The log ${writer} parts: ${where} disagree about its first ${size} entries. Somebody has rewritten it, or it was written in two places; nothing of it was changed, here or there. \`mlpipe verify\` says more.`;
}

function olderCopy(log: Log, there: number, { line }: LogPlace): string {
  return `The log ${log.writer}, which this store writes, has ${log.entries.size()} entries here and ${there} on ${line.driver.address}: this store is an older copy of another, or its log was cut.`;
}

/** The roots of a list of entries at the sizes that checkpoints have. */
function rootsOf(records: readonly Buffer[], heads: readonly Head[]): Map<number, Uint8Array> {
  const wanted = new Set(heads.map(({ size }) => size));
  const tree = new GrowingTree();
  const roots = new Map<number, Uint8Array>([[0, tree.root()]]);
  for (const record of records) {
    tree.add(leafHash(record));
    if (wanted.has(tree.size)) roots.set(tree.size, tree.root());
  }
  return roots;
}

function isRoot(roots: ReadonlyMap<number, Uint8Array>, { size, checkpoint }: Head): boolean {
  const root = roots.get(size);
  return root !== undefined && equal(root, checkpoint.root);
}

/** The newest checkpoint of a log that the log here bears out: the own one, or the one that came with it. */
function lastNote(ledger: Ledger, log: Log): { note: string; size: number } | undefined {
  const { files, folder } = ledger;
  const here = lastCheckpoint(files, folder, log);
  if (here === undefined || 'problem' in here || here.size === 0 || here.size > log.entries.size()) return undefined;
  if (!equal(log.entries.root(here.size), here.root)) return undefined;
  return { note: here.note, size: here.size };
}

function* digestsOf(rows: Iterable<{ record: Uint8Array }>): Generator<Uint8Array> {
  for (const { record } of rows) yield record;
}

/** All checkpoints on a remote, by their names. */
async function headNames({ line }: LogPlace, published?: ReadonlySet<string>): Promise<HeadName[]> {
  if (published) return [...published].flatMap((name) => parseHeadName(name) ?? []);
  try {
    return await line.attempt(async ({ signal, alive }) => {
      const names: HeadName[] = [];
      for await (const { name } of line.driver.list(CHECKPOINTS, signal)) {
        alive();
        names.push(...[parseHeadName(name) ?? []].flat());
      }
      return names;
    });
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, 'the list of its logs', error);
  }
}

/** What they say, by writer, the smallest first. One that was met before is not fetched again; a wrong one is told. */
async function headsOn(place: LogPlace, names: readonly HeadName[]): Promise<Map<string, Head[]>> {
  const { ledger, line, remote, problem } = place;
  const keys = new Map(logsIn(ledger.files, ledger.folder).logs.map(({ writer, key }) => [writer, key]));
  const found = new Map<string, Head[]>();
  await inParallel(
    names,
    line.pace,
    async (name) => {
      const { writer } = name;
      const note = trackedCheckpoint(ledger.files, ledger.folder, remote, writer, name.name);
      const key = keys.get(writer);
      const met = note === undefined || key === undefined ? undefined : openNote(name, note, key);
      const head = met !== undefined && !('problem' in met) ? { ...name, ...met } : await receiveHead(name, line);
      // Said before it is sent, and then not sent.
      if (head === undefined) return;
      if ('problem' in head)
        problem(
          `The checkpoint ${name.name.slice(0, 21)} of the log ${writer} on ${line.driver.address} ${head.problem}.`,
        );
      else found.set(writer, [...(found.get(writer) ?? []), head]);
    },
    line.signal,
  );
  for (const heads of found.values()) heads.sort((one, other) => one.size - other.size);
  return new Map([...found].sort());
}

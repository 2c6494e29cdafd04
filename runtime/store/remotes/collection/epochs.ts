/**
 * What a remote is to lose, and who relies on it all the same. A collection marks names; a later one deletes those that
 * nothing needs even then. All of it is files that are only ever made and removed, so that every kind of remote will do:
 *
 *     trash/EPOCH/marked              what nothing needed then; EPOCH is its time in milliseconds since 1970, in 15 digits
 *     trash/EPOCH/kept-TIME-SHA256    what somebody relies on who sends meanwhile
 *     trash/EPOCH/deleting-TIME-ID    who deletes it now
 *     trash/EPOCH/half                who did was broken off, and nobody does now
 *     trash/EPOCH/done                it is deleted
 *     trash/narrowed                  something was marked that records on the remote name
 *
 * Whoever deletes says so, and then looks who relies on something; whoever relies on something says so, and then looks
 * who deletes: one of the two sees the other. `docs/remotes.md` has the protocol in full.
 */
import { createHash, randomBytes } from 'node:crypto';
import { canonicalJson } from '../../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../../grammar/plan/plan.ts';
import { isDigest } from '../../manifest.ts';
import { readSmall } from '../catalogue.ts';
import { contentOf } from '../driver.ts';
import { remoteFailure } from '../failure.ts';
import { parseName, type Room } from '../names.ts';
import type { Line } from '../transfer.ts';

const FOLDER = 'trash/';
const NARROWED = `${FOLDER}narrowed`;
const MARKED = 'mlpipe-trash/1';
const KEPT = 'mlpipe-kept/1';
/** A list of ten million names. */
const LARGEST = 2 ** 30;

/** Milliseconds since 1970. */
export type Time = number;

const MINUTE = 60_000;
/** Whoever deletes says so again each minute, … */
const DELETING_SAID = MINUTE;
/** … stops by himself where he has not come to that for so long, … */
const DELETING_ENDS = 10 * MINUTE;
/** … so that after this nobody does who said that he would. */
const DELETING_EXPIRES = 30 * MINUTE;
/** So long it is told that an epoch was deleted: longer than anybody sends. */
const DONE_EXPIRES = 90 * 24 * 60 * MINUTE;

/** Where names may be marked: never the format, a record, a log or an index of names. */
export const COLLECTED: readonly Room[] = ['members', 'recipes', 'objects', 'pack-indexes', 'packs'];

export interface Epoch {
  id: string;
  began: Time;
  marked: boolean;
  /** Names of files. */
  kept: string[];
  deleting: { name: string; since: Time }[];
  half: boolean;
  done: boolean;
}

export interface Trash {
  /** The oldest first. */
  epochs: Epoch[];
  /** Whether records may lack what they name. */
  narrowed: boolean;
}

export async function readTrash(line: Line): Promise<Trash> {
  // Where nothing can be listed nothing is collected either.
  if (!line.driver.abilities.list) return { epochs: [], narrowed: false };
  return talking(line, () =>
    line.attempt(async ({ signal, alive }) => {
      const epochs = new Map<string, Epoch>();
      let narrowed = false;
      for await (const { name } of line.driver.list(FOLDER, signal)) {
        alive();
        if (name === NARROWED) narrowed = true;
        const [, id = '', rest = ''] = /^trash\/(\d{15})\/([a-z]+(?:-\d{15}-[0-9a-f]+)?)$/.exec(name) ?? [];
        if (id === '') continue;
        const epoch = epochs.get(id) ?? emptyEpoch(id);
        epochs.set(id, epoch);
        const [what, since] = rest.split('-');
        if (what === 'marked' || what === 'half' || what === 'done') epoch[what] = true;
        if (what === 'kept') epoch.kept.push(name);
        if (what === 'deleting') epoch.deleting.push({ name, since: Number(since) });
      }
      return { epochs: [...epochs.values()].sort((one, other) => one.began - other.began), narrowed };
    }),
  );
}

function emptyEpoch(id: string): Epoch {
  return { id, began: Number(id), marked: false, kept: [], deleting: [], half: false, done: false };
}

/** Whether what it names lies there still, as far as nobody deletes it. */
export function isWaiting({ marked, done }: Epoch): boolean {
  return marked && !done;
}

export function isBeingDeleted({ deleting, done }: Epoch, now: Time): boolean {
  return !done && deleting.some(({ since }) => since > now - DELETING_EXPIRES);
}

/** Whether some of it is deleted and the rest is not, and nobody goes on. */
export function isBrokenOff(epoch: Epoch, now: Time): boolean {
  return isWaiting(epoch) && !isBeingDeleted(epoch, now) && (epoch.half || epoch.deleting.length > 0);
}

/** Sets names down as needed by nothing. @returns when that was */
export async function mark(line: Line, names: readonly string[], now: Time): Promise<Time> {
  const content = Buffer.from(`${MARKED} ${names.length}\n${[...names].sort().join('\n')}\n`);
  return talking(line, async () => {
    for (let time = now; ; time += 1) {
      // Of two who collect in one millisecond each has an epoch of its own.
      if ((await put(line, `${FOLDER}${stamp(time)}/marked`, content)) === 'created') return time;
    }
  });
}

/** What an epoch names; nothing where it cannot be believed. */
export async function namesMarked(line: Line, { id }: Epoch): Promise<string[] | undefined> {
  const content = await talking(line, () => readSmall(line, `${FOLDER}${id}/marked`, LARGEST));
  const [head = '', ...names] = content?.toString('utf8').trimEnd().split('\n') ?? [];
  return head === `${MARKED} ${names.length}` && names.every(isCollected) ? names : undefined;
}

/** Whether a name is one of those that may be marked. */
export function isCollected(name: string): boolean {
  const parsed = parseName(name);
  return parsed !== undefined && parsed.rest === '' && COLLECTED.includes(parsed.room);
}

/** From now on records may lack what they name, and are not sent for that again. */
export async function narrow(line: Line): Promise<void> {
  await talking(line, () => put(line, NARROWED, NOTHING, true));
}

/** Says that these will be named by a record. */
export async function keepInEpoch(line: Line, { id }: Epoch, roots: readonly Digest[], now: Time): Promise<void> {
  const content = Buffer.from(canonicalJson({ format: KEPT, roots: [...new Set(roots)].sort() }));
  const sha256 = createHash('sha256').update(content).digest('hex');
  await talking(line, () => put(line, `${FOLDER}${id}/kept-${stamp(now)}-${sha256}`, content));
}

export interface Kept {
  at: Time;
  roots: Digest[];
}

/** Who relies on something of an epoch, and on what. @throws MlpipeError `remote-failed` where that cannot be told */
export async function keptIn(line: Line, { kept }: Epoch): Promise<Kept[]> {
  const found: Kept[] = [];
  for (const name of kept) {
    const content = await talking(line, () => readSmall(line, name, LARGEST));
    if (content === undefined) continue;
    const roots = rootsIn(content);
    const sha256 = createHash('sha256').update(content).digest('hex');
    if (roots === undefined || !name.endsWith(`-${sha256}`))
      throw remoteFailure(line.driver.address, `its file \`${name}\``, new Error('it is not what mlpipe writes'));
    found.push({ at: Number(name.split('/kept-')[1]?.slice(0, 15)), roots });
  }
  return found;
}

function rootsIn(content: Buffer): Digest[] | undefined {
  try {
    const { format, roots } = JSON.parse(content.toString('utf8')) as Record<string, unknown>;
    return format === KEPT && Array.isArray(roots) && roots.every(isDigest) ? roots : undefined;
  } catch {
    // Said by the caller.
    return undefined;
  }
}

/** The right to delete an epoch: said again and again, as whoever is killed says nothing any more. */
export class Claim {
  readonly epoch: Epoch;
  readonly #line: Line;
  readonly #id: string;
  readonly #now: () => Time;
  readonly #timer: NodeJS.Timeout;
  /** When it was said last. */
  #since: Time;
  #saying: Promise<void> | undefined;
  #begun: Promise<unknown> | undefined;

  private constructor(line: Line, epoch: Epoch, id: string, since: Time, now: () => Time) {
    this.epoch = epoch;
    this.#line = line;
    this.#id = id;
    this.#since = since;
    this.#now = now;
    this.#begun = epoch.half ? Promise.resolve() : undefined;
    this.#timer = setInterval(() => this.#sayAgain(), DELETING_SAID);
    this.#timer.unref();
  }

  /** Nothing where somebody else has it, or may have. */
  static async of(line: Line, { id: epoch }: Epoch, now: () => Time): Promise<Claim | undefined> {
    const [since, id] = [now(), randomBytes(8).toString('hex')];
    const name = deletingName(epoch, since, id);
    await talking(line, () => put(line, name, NOTHING));
    // Of two who see each other neither has it; who sees nobody was seen by whoever came later.
    const seen = (await readTrash(line)).epochs.find((each) => each.id === epoch);
    const others = seen?.deleting.filter((each) => each.name !== name) ?? [];
    const alone = others.every((other) => other.since <= since - DELETING_EXPIRES);
    if (!seen || !alone || seen.done || others.length === seen.deleting.length) {
      await remove(line, name);
      return undefined;
    }
    // Whoever had it before and is gone may have deleted some of it.
    const left = others.map((each) => each.name);
    return new Claim(line, { ...seen, deleting: others, half: seen.half || left.length > 0 }, id, since, now);
  }

  /** @throws Error where others may have taken over by now */
  async delete(name: string, signal?: AbortSignal): Promise<void> {
    this.#mustHold();
    this.#begun ??= talking(this.#line, () => put(this.#line, `${FOLDER}${this.epoch.id}/half`, NOTHING, true));
    await this.#begun;
    this.#mustHold();
    await remove(this.#line, name, signal);
  }

  /** All of it is deleted that was to be. */
  async finish(): Promise<void> {
    this.#mustHold();
    const { id } = this.epoch;
    await talking(this.#line, () => put(this.#line, `${FOLDER}${id}/done`, NOTHING, true));
    await tidy(this.#line, this.epoch);
  }

  /** Leaves it to others. What was begun, the next one ends. */
  async release(): Promise<void> {
    clearInterval(this.#timer);
    await this.#saying;
    await remove(this.#line, deletingName(this.epoch.id, this.#since, this.#id));
  }

  /** The new word is there before the old one goes. Where it cannot be said, `#mustHold` ends the work in time. */
  #sayAgain(): void {
    const [before, since] = [this.#since, this.#now()];
    if (this.#saying || since <= before) return;
    const say = async () => {
      await put(this.#line, deletingName(this.epoch.id, since, this.#id), NOTHING);
      this.#since = since;
      await remove(this.#line, deletingName(this.epoch.id, before, this.#id));
    };
    this.#saying = say()
      .catch(() => undefined)
      .finally(() => {
        this.#saying = undefined;
      });
  }

  #mustHold(): void {
    if (this.#now() <= this.#since + DELETING_ENDS) return;
    throw remoteFailure(
      this.#line.driver.address,
      'what is collected there',
      new Error('it was silent for so long that others may go on with it'),
    );
  }
}

const NOTHING = Buffer.from('\n');

function deletingName(epoch: string, since: Time, id: string): string {
  return `${FOLDER}${epoch}/deleting-${stamp(since)}-${id}`;
}

/** Takes away what is left of epochs that are deleted; of those from long ago all, as nobody can have begun before. */
export async function forgetDone(line: Line, { epochs }: Trash, now: Time): Promise<void> {
  for (const epoch of epochs.filter(({ done }) => done)) {
    await tidy(line, epoch);
    if (epoch.began < now - DONE_EXPIRES) await remove(line, `${FOLDER}${epoch.id}/done`);
  }
}

/** Who is killed meanwhile leaves the rest to the next collection. */
async function tidy(line: Line, { id, marked, half, kept, deleting }: Epoch): Promise<void> {
  const names = [...kept, ...deleting.map(({ name }) => name)];
  if (marked) names.push(`${FOLDER}${id}/marked`);
  // It may have come since the epoch was looked at.
  if (half || marked) names.push(`${FOLDER}${id}/half`);
  for (const name of names) await remove(line, name);
}

function stamp(time: Time): string {
  return String(Math.trunc(time)).padStart(15, '0');
}

async function put(line: Line, name: string, content: Buffer, replace = false): Promise<'created' | 'present'> {
  const answer = await line.attempt(({ signal }) => line.driver.put(name, contentOf(content), { replace, signal }));
  await line.driver.settle();
  return answer;
}

async function remove(line: Line, name: string, outer?: AbortSignal): Promise<void> {
  await talking(line, () => line.attempt(({ signal }) => line.driver.delete(name, signal), outer));
}

async function talking<Result>(line: Line, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, 'what is collected there', error);
  }
}

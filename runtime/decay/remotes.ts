/** Whether what is not here is on a remote: asked by name, without fetching it. A sample may be read whole. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { Project } from '../project.ts';
import type { RemoteDriver } from '../store/remotes/driver.ts';
import { isMade } from '../store/remotes/format.ts';
import { recordName } from '../store/remotes/names.ts';
import { openRemote } from '../store/remotes/open.ts';
import { type NamedRemote, readSettings, remoteOf } from '../store/remotes/settings.ts';
import { RemoteObjects } from '../store/remotes/stored.ts';
import { type Line, openLine } from '../store/remotes/transfer.ts';
import { decayed, type Place, resolves, unknown } from './places.ts';

export interface RemoteQuestion {
  /** All of these objects must be there. */
  objects: readonly Digest[];
  /** Or this record. */
  record?: Digest;
}

export interface RemoteOptions {
  signal: AbortSignal;
  /** Milliseconds without an answer. */
  silence: number;
  /** How many of what is found are read and hashed. */
  sample: number;
}

/** So many of what must be there can be missing, and one name says enough. */
const BRIEF = 19;

/**
 * Asks all remotes of a project, the default one first, and answers each question by its number.
 *
 * @returns nothing where there is no remote to ask
 */
export async function askRemotes(
  project: Pick<Project, 'root' | 'store'>,
  questions: readonly RemoteQuestion[],
  options: RemoteOptions,
): Promise<Place[] | undefined> {
  const remotes = remotesOf(project.root);
  if (remotes === undefined) return questions.map(() => unknown('mlpipe.json is damaged'));
  if (remotes.length === 0) return undefined;
  const open = remotes.map((remote) => new Asked(project, remote, options));
  try {
    const places = await Promise.all(questions.map((question) => firstWith(open, question)));
    await sampled(questions, places, options);
    return places.map(({ place }) => place);
  } finally {
    await Promise.all(open.map((each) => each.close()));
  }
}

function remotesOf(root: string): NamedRemote[] | undefined {
  try {
    const settings = readSettings(root);
    const first = remoteOf(settings)?.name;
    return Object.entries(settings.remotes)
      .map(([name, each]) => ({ name, settings: each }))
      .sort((one, other) => Number(other.name === first) - Number(one.name === first));
  } catch (error) {
    if (error instanceof MlpipeError) return undefined;
    throw error;
  }
}

interface Found {
  place: Place;
  on?: Asked;
}

async function firstWith(remotes: readonly Asked[], question: RemoteQuestion): Promise<Found> {
  const wrong: Place[] = [];
  for (const on of remotes) {
    const place = await on.has(question);
    if (place.state === 'resolves') return { place, on };
    wrong.push(place);
  }
  const where = wrong.map((place) => place.where).join('; ');
  return { place: wrong.some(({ state }) => state === 'unknown') ? unknown(where) : decayed(where) };
}

/** Reads some of what was found, evenly chosen, and holds it to its digest. */
async function sampled(questions: readonly RemoteQuestion[], found: Found[], { sample }: RemoteOptions): Promise<void> {
  const all = found.flatMap(({ on }, index) => (on ? [{ index, on }] : []));
  const step = Math.max(1, all.length / Math.max(1, sample));
  for (let at = 0; at < all.length && sample > 0; at += step) {
    const chosen = all[Math.floor(at)];
    if (chosen === undefined) continue;
    for (const digest of questions[chosen.index]?.objects ?? []) {
      const place = await chosen.on.isWhole(digest);
      found[chosen.index] = { place };
      if (place.state !== 'resolves') break;
    }
  }
}

interface Opened {
  line: Line;
  stored: RemoteObjects;
}

/** One remote. Where it once could not be reached, it is not waited for again. */
class Asked {
  readonly #project: Pick<Project, 'root' | 'store'>;
  readonly #remote: NamedRemote;
  readonly #options: RemoteOptions;
  #line: Promise<Opened> | undefined;
  #driver: RemoteDriver | undefined;
  #unreachable: string | undefined;
  /** Those that wait for their turn: so many ask at once as the remote can bear. */
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(project: Pick<Project, 'root' | 'store'>, remote: NamedRemote, options: RemoteOptions) {
    this.#project = project;
    this.#remote = remote;
    this.#options = options;
  }

  async has({ objects, record }: RemoteQuestion): Promise<Place> {
    const missing: Digest[] = [];
    /** Of one that cannot be listed nobody knows what lies in its packs. */
    let isSure = true;
    const wrong = await this.#asking(async ({ line, stored }) => {
      const ask = (digest: Digest, isThere: () => Promise<boolean>) =>
        this.#inTurn(line, async () => {
          if (!(await isThere())) missing.push(digest);
        });
      const asked = objects.map((digest) => ask(digest, () => stored.has(digest)));
      if (record !== undefined) {
        const name = recordName(record);
        const head = () => line.attempt(({ signal }) => line.driver.head(name, signal));
        asked.push(ask(record, async () => (await head()) !== undefined));
      }
      await Promise.all(asked);
      isSure = line.driver.abilities.list || line.chunking === undefined;
    });
    if (wrong !== undefined) return wrong;
    if (missing.length === 0) return resolves(`the remote ${this.#remote.name}`);
    if (!isSure && missing.some((digest) => digest !== record)) {
      return unknown(`the remote ${this.#remote.name} cannot be listed, and may have it in a pack`);
    }
    const which =
      missing.length === objects.length + (record === undefined ? 0 : 1)
        ? ''
        : ` ${missing[0]?.slice(0, BRIEF)}… of it`;
    return decayed(`not on the remote ${this.#remote.name}${which}`);
  }

  async isWhole(digest: Digest): Promise<Place> {
    let whole = false;
    const wrong = await this.#asking(async ({ stored }) => {
      whole = await stored.isWhole(digest);
    });
    if (wrong !== undefined) return wrong;
    const { name } = this.#remote;
    return whole
      ? resolves(`the remote ${name}, read and hashed`)
      : decayed(`the remote ${name} has other bytes of it`);
  }

  async close(): Promise<void> {
    await this.#driver?.close();
  }

  /** Why it cannot be told, where it cannot. */
  async #asking(work: (opened: Opened) => Promise<void>): Promise<Place | undefined> {
    const { name } = this.#remote;
    if (this.#unreachable !== undefined) return unknown(this.#unreachable);
    try {
      this.#line ??= this.#open();
      await work(await this.#line);
      return undefined;
    } catch (error) {
      const why = error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
      this.#unreachable ??= this.#options.signal.aborted
        ? `there was no time to ask the remote ${name}`
        : `the remote ${name} cannot be asked: ${why}`;
      return unknown(this.#unreachable);
    }
  }

  async #open(): Promise<Opened> {
    const { signal, silence } = this.#options;
    this.#driver = await openRemote(this.#project.root, this.#remote);
    const line = openLine(this.#driver, { signal, silence, retry: { tries: 2 } });
    // A folder that is not mounted, or an address that leads elsewhere, has nothing; that says nothing of the remote.
    if (!(await isMade(line))) throw new Error('nothing of mlpipe’s is there');
    return { line, stored: new RemoteObjects(this.#project.store.folder, line) };
  }

  async #inTurn(line: Line, work: () => Promise<void>): Promise<void> {
    if (this.#running >= line.pace.width) await new Promise<void>((go) => this.#waiting.push(go));
    this.#running += 1;
    try {
      const started = performance.now();
      await work();
      line.pace.succeeded(performance.now() - started);
    } finally {
      this.#running -= 1;
      this.#waiting.shift()?.();
    }
  }
}

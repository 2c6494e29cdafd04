/** What the world says about one pipeline: gathered off the keystroke path, handed to the rules as plain data. */
import { resolve } from 'node:path';
import type { DataPlan, Digest, Plan } from '../../grammar/plan/plan.ts';
import type { DecayFact, EngineFact, Facts, MachineFact, RunFact, SourceFact } from '../../grammar/rules/facts.ts';
import { factKey } from '../../grammar/rules/facts.ts';
import type { Stored } from '../store/store.ts';
import { gitStates } from './git.ts';
import { programsOf } from './programs.ts';
import { sourceFact } from './sources.ts';

/** What gathering needs of the other rooms. Whatever is not given stays unknown, and no rule then speaks of it. */
export interface FactsOptions {
  /** The digest of a file, a folder or what a glob matches, as a pin spells it; best from a stat cache. */
  digest: (path: string) => Promise<Stored>;
  /** Whether the store still has a content. */
  inStore?: (digest: Digest) => boolean;
  /** The default remote, and what it is known to have; never asked itself. */
  remote?: { name: string; has: (digest: Digest) => boolean };
  /** A folder for what was found out about tables, so that an unchanged one is never read twice. */
  cache?: string;
  engines?: () => Promise<EngineFact[]>;
  machine?: () => Promise<MachineFact>;
  runs?: () => Promise<Record<string, RunFact>>;
  /** What the last check for decay found. */
  decay?: () => DecayFact | undefined;
  /** Where this is false, no program is started: not even git. */
  trusted?: boolean;
  environment?: NodeJS.ProcessEnv;
  signal?: AbortSignal;
}

/** Sources that are looked at side by side. */
const AT_ONCE = 4;

/**
 * Looks at everything outside the text that a pipeline names.
 *
 * Nothing here throws because of what is found: what is missing or cannot be read is itself a fact. Tables of more than a
 * few megabytes are read in a thread.
 *
 * @param plan as much of it as the file allows
 * @param folder absolute path of the pipeline's folder
 * @throws the signal's reason, where it is aborted
 */
export async function gatherFacts(plan: Plan, folder: string, options: FactsOptions): Promise<Facts> {
  const wanted = sourcesOf(plan, folder);
  const environment = options.environment ?? process.env;
  const trusted = options.trusted ?? true;
  const [sources, git, engines, machine, runs] = await Promise.all([
    inTurns(wanted, (source) => sourceFact(source, options), options.signal),
    trusted ? gitStates(folder, [...wanted.keys()]) : new Map<string, 'tracked' | 'untracked' | 'ignored'>(),
    options.engines?.() ?? [],
    options.machine?.(),
    options.runs?.() ?? {},
  ]);
  options.signal?.throwIfAborted();
  const decay = options.decay?.();
  for (const [path, fact] of Object.entries(sources)) {
    const state = git.get(path);
    if (state !== undefined && fact.state === 'present') fact.git = state;
  }
  return {
    sources,
    engines: Object.fromEntries(engines.map((engine) => [engine.name, engine])),
    ...(machine === undefined ? {} : { machine }),
    ...(options.remote === undefined ? {} : { remote: options.remote.name }),
    ...(decay === undefined ? {} : { decay }),
    runs,
    programs: programsOf(plan, folder, environment),
    secrets: Object.keys(environment).sort(),
  };
}

/** One path that the pipeline names, with the data that is read from it, where there is any. */
export interface WantedSource {
  /** Absolute; a glob stays a glob. */
  path: string;
  data?: DataPlan;
  pin?: Digest;
}

/** By the key of `Facts.sources`: data, lock files, and what steps read. What another step writes is not among them. */
export function sourcesOf(plan: Plan, folder: string): Map<string, WantedSource> {
  const sources = new Map<string, WantedSource>();
  const add = (path: string, more: Omit<WantedSource, 'path'> = {}): void => {
    const absolute = resolve(folder, path);
    const known = sources.get(factKey(absolute));
    if (known?.data === undefined) sources.set(factKey(absolute), { ...known, path: absolute, ...more });
  };
  for (const data of Object.values(plan.data))
    if (data.source.kind === 'path')
      add(data.source.path, { data, ...(data.pin === undefined ? {} : { pin: data.pin }) });
  for (const environment of Object.values(plan.environments))
    for (const { lock, pin } of environment.interpreters)
      if (lock !== undefined) add(lock, pin === undefined ? {} : { pin });
  for (const step of Object.values(plan.steps)) if (step.kind === 'program') for (const path of step.reads) add(path);
  return sources;
}

async function inTurns(
  wanted: Map<string, WantedSource>,
  look: (source: WantedSource) => Promise<SourceFact>,
  signal: AbortSignal | undefined,
): Promise<Record<string, SourceFact>> {
  const found: Record<string, SourceFact> = {};
  const waiting = [...wanted];
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      signal?.throwIfAborted();
      const [key, source] = next;
      found[key] = await look(source);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  // In the order of the pipeline, not of who was ready first.
  return Object.fromEntries([...wanted.keys()].flatMap((key) => (found[key] === undefined ? [] : [[key, found[key]]])));
}

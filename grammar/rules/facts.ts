/**
 * What the world says: everything that a rule may know of and that does not stand in the text. Gathered by the runtime
 * off the keystroke path, handed in as plain data. A fact that is not there is not known yet, and no rule then speaks.
 */
import type { Digest, EngineName } from '../plan/plan.ts';

export interface Facts {
  /** By absolute path as `factKey` spells it: data sources, lock files, what steps read. */
  sources: Record<string, SourceFact>;
  /** By engine name. */
  engines: Partial<Record<EngineName, EngineFact>>;
  machine?: MachineFact;
  /** By step name, of this pipeline file: what its last run left. */
  runs: Record<string, RunFact>;
  /** Programs looked for on the search path: name → absolute path, or `null` where there is none. */
  programs: Record<string, string | null>;
  /** The default remote, where the project has one. */
  remote?: string;
  /** What the last check for decay found, where there was one. */
  decay?: DecayFact;
  /** Names of the environment variables that exist; never their values. */
  secrets?: string[];
}

export const NO_FACTS: Facts = { sources: {}, engines: {}, runs: {}, programs: {} };

export type SourceFact =
  | {
      state: 'missing';
      /** The pinned content is still in the store. */
      inStore?: boolean;
      /** The default remote that is known to have the pinned content. */
      onRemote?: string;
    }
  | { state: 'unreadable'; reason: string }
  | {
      state: 'present';
      kind: 'file' | 'folder';
      digest: Digest;
      bytes: number;
      /** In a folder or a glob. */
      files?: number;
      /** ISO 8601. */
      modified: string;
      table?: TableFact;
      /** Tracked by git, or ignored; unknown outside a repository. */
      git?: 'tracked' | 'untracked' | 'ignored';
      /** The default remote that is known to have just this content. */
      onRemote?: string;
      /** What the pinned content was, where the store still has it. */
      pinned?: { digest: Digest; bytes: number; rows?: number; columns?: string[] };
    };

export interface TableFact {
  rows: number;
  /** Column names as the file's header has them, or `column1 …` where it has none. */
  columns: string[];
  /** Where the file does not fit the schema, in the order of the rows; the first few. */
  problems: SchemaProblem[];
  /** By column of the schema. */
  statistics: Record<string, ColumnStatistics>;
}

export interface SchemaProblem {
  kind: 'missing-column' | 'wrong-type' | 'outside-range' | 'unknown-class' | 'wrong-width' | 'missing-value';
  /** Column of the schema. */
  column?: string;
  /** In a folder or a glob: the file, relative to it. */
  file?: string;
  /** Counted from 1 as an editor counts the file's lines; in a file that has no lines, the row. */
  line?: number;
  found?: string;
  expected: string;
}

export interface ColumnStatistics {
  count: number;
  missing: number;
  minimum?: number;
  maximum?: number;
  mean?: number;
  /** With n − 1 in the denominator. */
  standardDeviation?: number;
  /** Rows of each class, the most frequent first. */
  classes?: { label: string; count: number }[];
}

export interface EngineFact {
  name: EngineName;
  /** `installed`: can train now. `installable`: can be provisioned. `impossible`: never on this machine. */
  state: 'installed' | 'installable' | 'impossible';
  /** The versions that are installed; of an engine that comes in one version, that one. */
  versions: string[];
  /** The oldest version that is fetched where it is pinned and not installed; nothing where none is. */
  installableFrom?: string;
  /** The versions that can be fetched, as far as that has been asked, the oldest first; newer ones may have come since. */
  known?: string[];
  /** Why not, in one sentence, and what to do. */
  reason?: string;
  /** Layers, losses and optimizers that this engine cannot train or trains wrongly, with the reason. */
  cannotTrain: Record<string, string>;
  /** Whether equal seeds give equal bits. */
  deterministic: boolean;
}

export interface MachineFact {
  platform: string;
  architecture: string;
  cpus: number;
  memory: number;
  gpus: string[];
  node: string;
  /** Versions of what is on the search path. */
  interpreters: { language: 'node' | 'python'; version: string; path: string }[];
}

export interface DecayFact {
  /** When that was looked at, in ISO 8601: it may be otherwise by now. */
  when: string;
  /** What could not be had, or was another. */
  gone: DecayedItem[];
}

export interface DecayedItem {
  kind:
    | 'data'
    | 'file'
    | 'lock'
    | 'engine'
    | 'interpreter'
    | 'commit'
    | 'changes'
    | 'model'
    | 'plan'
    | 'record'
    | 'version'
    | 'retained'
    | 'package'
    | 'image';
  name: string;
  /** What it must be: a digest, a commit, a version; nothing where it is not pinned. */
  pin: string | null;
  /** What is wrong. */
  where: string;
}

export interface RunFact {
  /** ISO 8601. */
  ended: string;
  status: 'ok' | 'failed' | 'cancelled';
  metrics: Record<string, number>;
  /** Files that the step opened and had not declared, where the platform can tell. */
  undeclaredReads: string[];
  /** The record's digest. */
  record?: Digest;
  /** The newest record before it that has another key: what the step was then can be compared with. */
  previous?: Digest;
  state?: StepState;
  /** In one line, why it would or would not run. */
  reason?: string;
}

/** What a run would do with a step: take its result, run it, or neither because something stands in its way. */
export type StepState = 'up-to-date' | 'stale' | 'never-ran' | 'failed' | 'blocked';

/** One spelling for a path in `Facts.sources`: forward slashes, no trailing one. */
export function factKey(path: string): string {
  return path.replaceAll('\\', '/').replace(/(?<=.)\/$/, '');
}

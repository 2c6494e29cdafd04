/** The record of one run of one step: immutable, canonical JSON, the truth from which every index is rebuilt. */
import type { Digest, EngineName, PlanValue, Seconds } from '../../grammar/plan/plan.ts';

export const RECORD_FORMAT = 'mlpipe-record/1';

/** `import`: another tool's word, taken over by who signs it; mlpipe neither ran nor checked what it tells of. */
export const RECORD_KINDS = ['train', 'evaluate', 'program', 'reproduce', 'import'] as const;
export type RecordKind = (typeof RECORD_KINDS)[number];

export interface RunRecord {
  format: typeof RECORD_FORMAT;
  /** Friendly name of the run that this step belongs to: `quiet-heron-41`. Several records share it. */
  run: string;
  step: string;
  kind: RecordKind;
  pipeline: {
    name: string /** Relative to the project's root. */;
    file: string /** Of the file's text. */;
    digest: Digest;
  };
  /** The step's key: equal keys mean that nothing which determines the result differs. */
  key: Digest;
  /** What the key was computed from, as an object in the store: a later run explains itself by comparing the two. */
  keyParts: Digest;
  /** Why it ran, in one line. */
  reason: string;
  /** The plan, as an object in the store. */
  plan: Digest;
  who: { user: string; name?: string; email?: string };
  where: { host: string; platform: string; architecture: string };
  when: { /** ISO 8601, UTC. */ started: string; ended: string; seconds: Seconds };
  code: CodeState | null;
  inputs: RecordedInput[];
  parameters: Record<string, PlanValue>;
  environment: RecordedEnvironment;
  engine: { name: EngineName; version: string } | null;
  outputs: Record<string, RecordedOutput>;
  metrics: Record<string, number>;
  gates: RecordedGate[];
  exit: {
    status: 'ok' | 'failed' | 'cancelled';
    code?: number;
    signal?: string;
    /** What went wrong, in one line. */
    message?: string;
  };
  /** Files that the step opened and had not declared. */
  undeclaredReads: string[];
  /** Captured output, as an object in the store. */
  log?: Digest;
  /** Of an import alone: whose word it is. `who`, `where` and `when` are then of the import itself. */
  origin?: RecordOrigin;
}

/** Where an imported record comes from, and what is claimed there. */
export interface RecordOrigin {
  tool: 'dvc' | 'mlflow';
  /** A file relative to the project's root, or an address without credentials. */
  from: string;
  /** What the tool calls it: a stage, the id of a run. */
  id: string;
  /** Everything that was read there, as an object in the store. */
  evidence: Digest;
  /** The tool's word, which nobody has checked. */
  claims: OriginClaims;
  /** What is named there and could not be had. */
  missing: { name: string; why: string }[];
}

export interface OriginClaims {
  name?: string;
  experiment?: string;
  user?: string;
  status?: string;
  /** ISO 8601, UTC. */
  started?: string;
  ended?: string;
  /** The commit of the code; whether it had uncommitted changes is not known. */
  commit?: string;
  branch?: string;
  repository?: string;
  /** The program that ran. */
  source?: string;
  /** What it says of itself in words, by name. */
  tags?: Record<string, string>;
  /** What went in, by the tool's own digest, which is none of the bytes. */
  datasets?: { name: string; digest: string; sourceType: string; source: string; context?: string }[];
}

export interface CodeState {
  /** All zeros in a repository that has no commit yet, as git itself writes it. */
  commit: string;
  branch?: string;
  /** Without credentials. */
  remote?: string;
  dirty: boolean;
  /** `git diff HEAD` of tracked files plus the untracked ones, as an object in the store. */
  diff?: Digest;
  /** Changed files whose content is not in `diff`, and why. */
  omitted?: { path: string; bytes: number; reason: 'too large' | 'may hold secrets' }[];
  /** Those that are not as the commit has them. Their own state is told in the same way. */
  submodules?: { path: string; state: CodeState }[];
}

export interface RecordedInput {
  /** `data:digits`, `file:report.py`, `output:recognise.model`, `lock:package-lock.json`. */
  name: string;
  digest: Digest;
  bytes: number;
  /** Relative to the pipeline's folder. */
  path?: string;
  rows?: number;
  /** The record whose output this is. */
  record?: Digest;
}

export interface RecordedOutput {
  digest: Digest;
  bytes: number;
  path?: string;
}

export interface RecordedGate {
  metric: string;
  class?: number | string;
  k?: number;
  operator: string;
  threshold: number;
  value: number;
  ok: boolean;
}

export interface RecordedEnvironment {
  name: string | null;
  /** The digest of `identity`; part of the key. */
  fingerprint: Digest;
  /** What determines a result. */
  identity: Record<string, unknown>;
  /** What is good to know and determines nothing. */
  evidence: Record<string, unknown>;
  /** The bytes of what was provisioned, as folders in the store, by what they hold: `node-22.16.0-linux-x64`. */
  retained?: Record<string, RetainedItem>;
}

/** A folder of archives in the store. */
export interface RetainedItem {
  digest: Digest;
  bytes: number;
}

/** A record's own address: the digest of its canonical JSON. */
export interface StoredRecord {
  digest: Digest;
  record: RunRecord;
}

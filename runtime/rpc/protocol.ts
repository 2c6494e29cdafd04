/**
 * JSON-RPC between the editor and the runtime (`mlpipe rpc`, over stdio). The one file of the runtime that the
 * extension may import: plain types and names, no code that runs.
 */
import { NotificationType, RequestType, RequestType0 } from 'vscode-jsonrpc';
import type { RunEvent, StepState, StepStatus } from '../events.ts';

export type { RunEvent, StepProgress, StepResult, StepStatus } from '../events.ts';

/** Raised when a message changes its meaning; the editor and the runtime compare it at `hello`. */
export const PROTOCOL_VERSION = 1;

export interface Hello {
  protocol: number;
  version: string;
  node: string;
  pid: number;
}

export interface PipelineRequest {
  /** Absolute path of the `.mlpipe` file. */
  file: string;
}

export interface RunRequest extends PipelineRequest {
  steps: string[];
  force?: boolean;
  parameters?: Record<string, string>;
}

export interface RunAnswer {
  run: string;
  pipeline: string;
  ok: boolean;
  seconds: number;
  steps: RunStepAnswer[];
}

export interface RunStepAnswer {
  step: string;
  status: StepStatus;
  reason: string;
  key: string | null;
  seconds: number;
  record: string | null;
  outputs: Record<string, { digest: string; bytes: number }>;
  metrics: Record<string, number>;
  engine: { name: string; version: string } | null;
  error?: { message: string; todo?: string /** 2 where the environment cannot do it. */; exit?: 2 };
}

export interface StatusAnswer {
  upToDate: boolean;
  steps: {
    step: string;
    state: StepState;
    reason: string;
    /** Nothing where it follows from what another step has still to write, or cannot be had. */
    key: string | null;
  }[];
}

/** One trained model with what stands behind it, for the tree. */
export interface ModelNode {
  /** The record's digest. */
  record: string;
  step: string;
  pipeline: string;
  /** Relative to the folder that was asked about. */
  file: string;
  run: string;
  /** ISO 8601. */
  ended: string;
  status: 'ok' | 'failed' | 'cancelled';
  current: boolean;
  who: string;
  metrics: Record<string, number>;
  gates: { metric: string; operator: string; threshold: number; value: number; ok: boolean }[];
  modelDigest: string | null;
  data: { name: string; digest: string; path?: string; rows?: number; bytes: number }[];
  /** The newest attempt to make it again; nothing where there was none. */
  reproduction: { verdict: string; level: string; because: string; when: string; record: string } | null;
  commit: { id: string; branch?: string; dirty: boolean } | null;
  environment: { name: string | null; fingerprint: string; engine: string | null };
  parameters: Record<string, string | number | boolean>;
}

export interface ReproduceRequest {
  folder: string;
  /** What `mlpipe reproduce` takes: the record's digest. */
  reference: string;
}

export interface ReproduceAnswer {
  model: string;
  verdict: string;
  level: string;
  because: string;
  differences: { kind: string; name: string; recorded: string | null; now: string | null }[];
  record: string;
}

/** What `mlpipe decay --json` gives. */
export interface DecayAnswer {
  ok: boolean;
  items: {
    kind: string;
    name: string;
    pin: string | null;
    resolves: boolean;
    state: 'resolves' | 'decayed' | 'unknown';
    where: string;
  }[];
}

export interface WhyAnswer {
  step: string;
  /** In one line: why it would run, or why it ran. */
  reason: string;
  /** The step's two keys in words, one fact a line; nothing where there are no two: never ran, or always with the same. */
  keys: { before: KeyDocument; after: KeyDocument } | null;
}

export interface KeyDocument {
  /** `quiet-heron-41, 2026-11-23 10:12`, or `now`. */
  title: string;
  text: string;
}

/** How far what a run, a reproduction or a repair fetches from a remote has come. */
export interface TransferProgress {
  phase: 'comparing' | 'objects' | 'records';
  objects: number;
  objectsTotal: number;
  bytes: number;
  bytesTotal: number;
}

export interface VerifyQuestion {
  folder: string;
  /** What `mlpipe verify` takes: the record's digest. */
  reference: string;
}

/** Whether a record and everything behind it is whole; what `mlpipe verify --json` gives. */
export interface VerifyAnswer {
  ok: boolean;
  objects: number;
  records: number;
  signatures: number;
  locks: number;
  logs: { writer: string; key: string; entries: number }[];
  /** How many records are signed by whom: `trusted` and so on, and `unsigned`. */
  standing: Record<string, number>;
  problems: {
    code: string;
    message: string;
    todo: string;
    /** Whether `RepairRecordRequest` can mend it, where a remote has what is lacking. */
    repairable: boolean;
    digest?: string;
    path?: string;
  }[];
  /** What is as it should be and proves less than one might think. */
  notes: string[];
}

export interface VerifyProgress {
  what: 'records' | 'logs' | 'objects';
  done: number;
  /** 0 where it is not counted. */
  total: number;
}

export interface RepairQuestion extends VerifyQuestion {
  /**
   * Damaged objects that no remote has are taken out of the way, too, so that the step that makes them makes them anew.
   * Nothing else is ever taken out of the way without a whole one to come.
   */
  setAsideLost: boolean;
}

/** How things are after the repair, and what it did. */
export interface RepairAnswer extends VerifyAnswer {
  repair: {
    /** Objects that are whole again, with the remote that had them. */
    repaired: { digest: string; from: string }[];
    /** That no remote has. */
    lost: string[];
    /** Of those: what was there of them was damaged, and lies in `.mlpipe/damaged` now. */
    setAside: string[];
    /** Remotes that have answered. */
    asked: string[];
    /** Remotes that could not be asked, and why. */
    silent: { remote: string; why: string }[];
  };
}

export interface LineageQuestion {
  folder: string;
  /** What `mlpipe lineage` takes: the digest of a record or an object, a step's name, a path. */
  reference: string;
  /** `up`, where nothing is said: what it was made from; `down`: what was made from it. */
  direction?: 'up' | 'down' | 'both';
}

export interface LineageAnswer {
  /** The node that was asked for. */
  start: string;
  nodes: LineageNode[];
  edges: { from: string; to: string; label: string }[];
}

export interface LineageNode {
  /** The digest of what it stands for; a commit's begins with `commit:`. */
  id: string;
  kind: 'data' | 'file' | 'record' | 'model' | 'output' | 'commit' | 'environment';
  label: string;
  detail?: string;
  /** Where it was read or written, relative to the folder that was asked about. */
  path?: string;
  rows?: number;
  bytes?: number;
  /** Of a commit. */
  commit?: { id: string; branch?: string; dirty: boolean };
  /** Of a record. */
  record?: {
    kind: 'train' | 'evaluate' | 'program' | 'reproduce' | 'import';
    step: string;
    run: string;
    pipeline: string;
    /** Relative to the folder that was asked about. */
    file: string;
    status: 'ok' | 'failed' | 'cancelled';
    who: string;
    /** ISO 8601. */
    ended: string;
    seconds: number;
    metrics: Record<string, number>;
    /** Of an import: whose word it is, in one line. */
    origin?: string;
  };
}

/** Two records side by side. */
export interface DiffAnswer {
  /** The digests of the records. */
  before: string;
  after: string;
  differences: {
    section: 'code' | 'data' | 'environment' | 'evidence' | 'parameters' | 'metrics' | 'outputs';
    name: string;
    /** Whole; `null` where that side has none. */
    before: string | null;
    after: string | null;
  }[];
}

export const HelloRequest = new RequestType0<Hello, void>('mlpipe/hello');
/** Runs; its events come as notifications before the answer. Cancel the request to cancel the run. */
export const RunPipelineRequest = new RequestType<RunRequest, RunAnswer, void>('mlpipe/run');
export const StatusRequest = new RequestType<
  PipelineRequest & { parameters?: Record<string, string> },
  StatusAnswer,
  void
>('mlpipe/status');
/** Makes a model again in a clean place; its events come as notifications before the answer. */
export const ReproduceModelRequest = new RequestType<ReproduceRequest, ReproduceAnswer, void>('mlpipe/reproduce');
/** What a step is now beside its last run; where it is up to date, its last two runs that differ. */
export const WhyRequest = new RequestType<PipelineRequest & { step: string }, WhyAnswer, void>('mlpipe/why');
/** Looks whether everything that a pipeline stands on can still be had; progress comes as notifications before the answer. */
export const DecayRequest = new RequestType<PipelineRequest, DecayAnswer, void>('mlpipe/decay');
/** Reads a model and everything behind it again; its progress comes as notifications before the answer. */
export const VerifyRecordRequest = new RequestType<VerifyQuestion, VerifyAnswer, void>('mlpipe/verify');
/**
 * Brings back from the remotes what is damaged or missing behind a record. `VerifyProgressNotification` and
 * `TransferNotification` come before the answer. What has been brought back when it is cancelled stays.
 */
export const RepairRecordRequest = new RequestType<RepairQuestion, RepairAnswer, void>('mlpipe/repair');
/** Every trained model below a folder, the newest first. */
export const ModelsRequest = new RequestType<{ folder: string }, ModelNode[], void>('mlpipe/models');
export const LineageRequest = new RequestType<LineageQuestion, LineageAnswer, void>('mlpipe/lineage');
/** In what two records differ, whole: digests and numbers as the records have them. */
export const DiffRequest = new RequestType<{ folder: string; one: string; other: string }, DiffAnswer, void>(
  'mlpipe/diff',
);
/** A record as indented JSON, for a read-only document. */
export const ShowRecordRequest = new RequestType<{ folder: string; reference: string }, { text: string }, void>(
  'mlpipe/show',
);
export const RunEventNotification = new NotificationType<{ file: string; event: RunEvent }>('mlpipe/event');
export const ReproduceEventNotification = new NotificationType<{ reference: string; event: RunEvent }>(
  'mlpipe/reproduceEvent',
);
/** How many of the records behind a pipeline were looked at; 0 of 0 while what is written in it is. */
export const DecayProgressNotification = new NotificationType<PipelineRequest & { done: number; total: number }>(
  'mlpipe/decayProgress',
);
export const VerifyProgressNotification = new NotificationType<{ reference: string; progress: VerifyProgress }>(
  'mlpipe/verifyProgress',
);
/** What is fetched while this runs: a pipeline's file, or the reference that is made again or repaired. */
export const TransferNotification = new NotificationType<{ for: string; progress: TransferProgress }>(
  'mlpipe/transfer',
);
/** What was done unasked, in a line: `fetched 12 objects (10 MiB) from origin`. */
export const ToldNotification = new NotificationType<{ for: string; message: string }>('mlpipe/told');
/** Records below the folder have changed, by this runtime or another. */
export const RecordsChangedNotification = new NotificationType<{ folder: string }>('mlpipe/recordsChanged');

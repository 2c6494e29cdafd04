/** What execution needs of the other rooms, as one value, so that each part says what it depends on. */
import type { Digest, Plan, ResourcesPlan } from '../../grammar/plan/plan.ts';
import type { LanguageNeed } from '../environment/languages/provide.ts';
import type { RetainedSource } from '../environment/retained.ts';
import type { CodeState, RecordedEnvironment, RunRecord, StoredRecord } from '../ledger/record.ts';
import type { Store } from '../store/store.ts';

export interface World {
  /** The project: the folder that holds `.mlpipe`. */
  root: string;
  store: Store;
  ledger: ExecutionLedger;
  /** What a step's environment is on this machine. @throws MlpipeError where the machine has not what is pinned. */
  environment(
    plan: Plan,
    name: string | undefined,
    folder: string,
    resources: ResourcesPlan,
  ): Promise<ResolvedEnvironment>;
  /** The state of the code, kept as far as it is not committed. */
  code(): Promise<CodeState | null>;
  who(): Promise<RunRecord['who']>;
  /**
   * Fetches what is missing of these from the project's default remote, and says so; what it does not have stays
   * missing. Not there where nothing may be fetched, or from nowhere.
   */
  supply?(digests: readonly Digest[], signal?: AbortSignal): Promise<void>;
  /** The bytes of environments that are kept in the store. */
  retained: RetainedSource;
}

export interface ResolvedEnvironment {
  recorded: RecordedEnvironment;
  /** What a program step needs to be there. Making it be there is left to the step that really runs. */
  languages: LanguageNeed[];
  /** What is not as it was asked for, and does not forbid to run. */
  warnings: string[];
}

export interface ExecutionLedger {
  newRunName(): string;
  /** Durable when it returns. */
  append(record: RunRecord): Promise<Digest>;
  /** The newest first. */
  withKey(key: Digest): StoredRecord[];
  /** The newest record of a step of a pipeline file (relative to the root). */
  last(file: string, step: string): StoredRecord | undefined;
  get(digest: Digest): StoredRecord | undefined;
  /** The record that the lock file names, if there is one. */
  locked(pipelineFile: string, step: string): Digest | undefined;
  /** Writes the lock file of a step. */
  lock(pipelineFile: string, record: StoredRecord): Promise<void>;
}

/** One pipeline in its world. */
export interface PipelineContext {
  world: World;
  plan: Plan;
  /** Absolute path of the pipeline file. */
  file: string;
  /** Of the file's text. */
  digest: Digest;
}

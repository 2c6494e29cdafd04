/**
 * The plan: a pipeline as plain data. It is what the runtime executes, what keys are computed from and what records
 * keep; it knows nothing of Langium, of files' contents or of this machine.
 *
 * Everything here survives `canonicalJson` unchanged: no `undefined` in arrays, no dates, no class instances.
 */

/** Content address of an object: the algorithm, a colon, lower-case hexadecimal. */
export type Digest = `sha256:${string}`;

/** A share between 0 and 1; `80%` is `0.8`. */
export type Share = number;

/** A duration in seconds. */
export type Seconds = number;

/** A size in bytes. */
export type Bytes = number;

/** The version of this format; part of each key, so that a change of meaning reruns what it must. */
export const PLAN_FORMAT = 'mlpipe-plan/1';

export interface Plan {
  format: typeof PLAN_FORMAT;
  /** The pipeline's name. */
  pipeline: string;
  /** The parameters' values in this plan, after `-S name=value`. */
  parameters: Record<string, PlanValue>;
  environments: Record<string, EnvironmentPlan>;
  data: Record<string, DataPlan>;
  models: Record<string, ModelPlan>;
  /** Every step by its name, expansions spelled out (`recognise@rate=0.01`). */
  steps: Record<string, StepPlan>;
  /** Parsed, typed and kept; executed by a later version. */
  deployments: Record<string, DeploymentPlan>;
  monitors: Record<string, MonitorPlan>;
  /** Where each block stands, for messages. Never part of a key: moving a block reruns nothing. */
  locations: Record<string, Location>;
}

export interface Location {
  /** Path relative to the pipeline file's folder, with forward slashes. */
  file: string;
  /** Counted from 1. */
  line: number;
  /** Counted from 1, in UTF-16 units. */
  column: number;
}

/** A value in its base unit: shares as fractions, durations in seconds, sizes in bytes. */
export type PlanValue = number | string | boolean | PlanValue[];

// ---------------------------------------------------------------- environments

export interface EnvironmentPlan {
  name: string;
  /** What trains; `version` is exact. */
  engine?: { name: EngineName; version: string };
  /** Languages for steps. */
  interpreters: InterpreterPlan[];
  /** What programs run in, in the place of this machine's own. */
  image?: ImagePlan;
  hardware?: { classes: string[]; memory?: Bytes; cpus?: number; gpus?: number };
  /** `repeatable`: the same bits on the same hardware class; `close`: within the gates' tolerances. */
  results?: 'repeatable' | 'close';
  /** The bytes of what is provisioned are kept in the store. Determines nothing. */
  retain?: true;
}

export type EngineName = 'tensorflow' | 'webgpu' | 'wasm';

export interface InterpreterPlan {
  language: 'node' | 'python';
  version: string;
  /** Path of the lock file, relative to the pipeline's folder. */
  lock?: string;
  pin?: Digest;
}

/** A container image: `docker.io/library/python` and the digest of its manifest. */
export interface ImagePlan {
  name: string;
  /** Nothing where it is not given whole: then nothing runs. */
  digest?: Digest;
  /** Whether its programs reach the network. */
  network?: true;
}

// ---------------------------------------------------------------- data

export interface DataPlan {
  name: string;
  source: SourcePlan;
  pin?: Digest;
  schema: ColumnPlan[];
  split?: SplitPlan;
}

export type SourcePlan =
  /** A path relative to the pipeline's folder: a file, a folder (`data/images`) or a glob (`data/*.csv`). */
  | { kind: 'path'; path: string }
  /** Anything with a scheme. It must be snapshot before it can be used. */
  | { kind: 'url'; url: string }
  /** What a step writes. */
  | { kind: 'output'; step: string; output: string };

export interface ColumnPlan {
  name: string;
  type: ColumnType;
  /** Inclusive bounds of every number in the column. */
  range?: { lower: number; upper: number };
}

export type ColumnType =
  | { kind: 'float' | 'int' | 'bool'; shape: number[] }
  | { kind: 'text' }
  /** Exactly one of `count` (classes `0 … count − 1`) and `labels` is present. */
  | { kind: 'class'; count?: number; labels?: string[] }
  /** A picture of height × width × channels (1 grey, 3 colour), values 0 … 255. */
  | { kind: 'image'; shape: [number, number, number] };

export interface SplitPlan {
  parts: { name: string; share: Share }[];
  /** Each part has this column's classes in the same proportions. */
  stratify?: string;
  /** Rows that agree in this column stay together. */
  group?: string;
  seed: number;
}

/** A part of a data set; without `part`, all of it. */
export interface DataReference {
  data: string;
  part?: string;
}

// ---------------------------------------------------------------- models

export interface ModelPlan {
  name: string;
  /** The data set that `input` names, and its columns in order. */
  data: string;
  inputs: string[];
  /** Without the batch dimension. Several inputs are flattened and joined: `[features]`. */
  inputShape: number[];
  layers: LayerPlan[];
  outputShape: number[];
  /** Trainable and fixed numbers. */
  parameterCount: number;
}

export interface LayerPlan {
  /** The layer's name in the language: `conv2d`. */
  layer: string;
  /** Every parameter, defaults filled in, so that a changed default is a changed plan. */
  arguments: Record<string, PlanValue>;
  outputShape: number[];
  parameterCount: number;
}

export interface CallPlan {
  name: string;
  /** Every parameter, defaults filled in. */
  arguments: Record<string, PlanValue>;
}

// ---------------------------------------------------------------- steps

export type StepPlan = TrainStep | EvaluateStep | ProgramStep;

interface StepBase {
  name: string;
  /** The block's name, without the expansion's values. */
  block: string;
  /** The steps whose outputs this one reads, sorted. */
  needs: string[];
  /** Name of the environment. */
  environment?: string;
  resources: ResourcesPlan;
}

export interface ResourcesPlan {
  cpus?: number;
  gpus?: number;
  memory?: Bytes;
  time?: Seconds;
}

export interface TrainStep extends StepBase {
  kind: 'train';
  model: string;
  on: DataReference;
  validate?: DataReference;
  /** The column to predict. */
  target: string;
  loss: CallPlan;
  optimizer: CallPlan;
  schedule?: CallPlan;
  weights?: 'balanced' | number[];
  epochs: number;
  batch: number;
  seed?: number;
  /** The step with the seed that the pipeline gives, where this is the same training with one of the seeds that follow. */
  replicateOf?: string;
  stop?: { metric: string; patience: number };
  checkpoint?: { epochs: number } | { seconds: Seconds };
}

export interface EvaluateStep extends StepBase {
  kind: 'evaluate';
  /** The training step whose model is evaluated. */
  train: string;
  on: DataReference;
  /** The evaluation of the training that this one's is a replicate of; its gates are measured and decide nothing. */
  replicateOf?: string;
  gates: GatePlan[];
}

export interface GatePlan {
  metric: string;
  /** The class that the metric is about, for metrics of one class. */
  class?: number | string;
  /** How many classes count as found, for `topK`. */
  k?: number;
  operator: '>=' | '<=' | '>' | '<';
  threshold: number;
  /** How near a reproduction must come: in the metric's own unit, or as a share of its value. */
  within?: { absolute: number } | { relative: Share };
}

export interface ProgramStep extends StepBase {
  kind: 'program';
  /** The command line in pieces: text, and what `${…}` stands for. */
  command: CommandPart[];
  /** Files, folders and globs relative to the pipeline's folder. */
  reads: string[];
  /** Outputs of other steps that the command names. */
  inputs: { step: string; output: string }[];
  /** Pinned data sets that the command names: `${digits}`. */
  data: string[];
  writes: { name: string; path: string }[];
  variables: Record<string, CommandPart[]>;
}

export type CommandPart =
  | { kind: 'text'; text: string }
  | { kind: 'value'; value: PlanValue }
  /** The path of another step's output in the run folder. */
  | { kind: 'input'; step: string; output: string }
  /** The path of an output of this step. */
  | { kind: 'output'; name: string }
  /** The path of a data set. */
  | { kind: 'data'; data: string }
  /** Read from the environment when the step starts; never stored, never printed. */
  | { kind: 'secret'; name: string };

/** What a step of each kind gives without being told to. */
export const STEP_OUTPUTS: Record<'train' | 'evaluate', readonly string[]> = {
  train: ['model', 'history'],
  evaluate: ['report'],
};

// ---------------------------------------------------------------- delivery (parsed, typed and kept)

export interface DeploymentPlan {
  name: string;
  train: string;
  when?: string;
  canary?: Share;
  rollback?: string;
}

export interface MonitorPlan {
  deployment: string;
  expect?: { subject: string; reference: DataReference };
  tolerate?: { absolute: number; relative?: Share };
  page?: { name: string; arguments: Record<string, PlanValue | { secret: string }> };
  budget?: { count: number; window: Seconds };
}

/**
 * What trains. One interface for every engine; nothing of the library behind it is seen above this room: numbers go in
 * and come out as typed arrays.
 */
import type { CallPlan, EngineName, ModelPlan } from '../../grammar/plan/plan.ts';

export interface Engine {
  readonly name: EngineName;
  /** The exact version, as an `environment` pins it. */
  readonly version: string;
  /** What the result depends on: backend, device, threads, flags. Goes into the record; `identity` into the key. */
  readonly describe: { identity: Record<string, string>; evidence: Record<string, string> };
  /** Builds a model and its optimizer. All randomness follows from `seed`. */
  build(model: ModelPlan, options: BuildOptions): Promise<TrainableModel>;
  /** Opens what `TrainableModel.save` left in a folder. */
  load(folder: string): Promise<Model>;
  /**
   * Mean loss over the rows, with no regularisation.
   *
   * @param predictions rows × width, as `predict` gave them
   * @param targets rows × width, as `step` takes them
   */
  loss(plan: CallPlan, predictions: Float32Array, targets: Float32Array, rows: number): Promise<number>;
  dispose(): Promise<void>;
}

export interface BuildOptions {
  /** Without one, a seed is drawn and recorded. */
  seed: number;
  loss: CallPlan;
  optimizer: CallPlan;
  /** Numbers of one row's target: 1 for regression and binary classes, the number of classes otherwise. */
  targetWidth: number;
  /** Mean and standard deviation of each input feature of the training part, for `normalization`. */
  statistics?: { mean: Float32Array; standardDeviation: Float32Array };
}

/** What answers. */
export interface Model {
  readonly inputShape: number[];
  readonly outputShape: number[];
  /** Trainable and fixed numbers. */
  readonly parameterCount: number;
  /** rows × outputShape, with no dropout. */
  predict(inputs: Float32Array, rows: number): Promise<Float32Array>;
  dispose(): void;
}

/** What learns. */
export interface TrainableModel extends Model {
  /**
   * One optimisation step.
   *
   * @param inputs rows × inputShape, row-major
   * @param targets rows × targetWidth (classes one-hot)
   * @param weights one a row, or nothing
   */
  step(inputs: Float32Array, targets: Float32Array, rows: number, weights?: Float32Array): void;
  /**
   * The batches' mean losses, regularisation included, of the steps since the last call, in order. Reading makes a
   * graphics processor finish what it was given, so ask for it every few steps.
   */
  losses(): Promise<Float32Array>;
  /** Sets the optimizer's learning rate, for schedules. */
  setRate(rate: number): void;
  /** Everything that a resumed training needs to go on to the same bits. */
  state(): Promise<ModelState>;
  restore(state: ModelState): Promise<void>;
  /** Writes `model.json` and `weights.bin` (the TensorFlow.js layers format) into a folder. */
  save(folder: string): Promise<void>;
  /** How many tensors the engine holds, so that a test can see that a training does not grow. */
  tensorCount(): number;
}

export interface ModelState {
  weights: NamedArray[];
  optimizer: NamedArray[];
  /** State of the random stream. */
  random: number;
  /** Optimisation steps so far. */
  steps: number;
}

export interface NamedArray {
  name: string;
  shape: number[];
  values: Float32Array;
}

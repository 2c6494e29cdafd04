/** A model of the plan as tfjs computes it: `Model` and `TrainableModel`. */
import type { Scalar, Tensor, Tensor2D, Variable } from '@tensorflow/tfjs-core';
import type { LayersModel, SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { CallPlan, ModelPlan } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import type { BuildOptions, Model, ModelState, NamedArray, TrainableModel } from '../engine.ts';
import { streamFor } from '../random.ts';
import { applyAll, buildLayers, type Layer, RECURRENT_LAYERS } from './layers.ts';
import type { Library } from './library.ts';
import { buildLoss, type Loss, meanLoss } from './losses.ts';
import { buildOptimizer, OptimizerState } from './optimizers.ts';
import { loadLayersModel, saveLayersModel } from './persistence.ts';

/** Rows that are predicted at once. One number for all, so that a prediction does not depend on who asks. */
const PREDICTION_ROWS = 256;

export interface Session {
  library: Library;
  /** Makes this engine's back end the one that computes: a process may have several. */
  activate(): void;
}

/** Opens a saved model. */
export async function openModel(session: Session, folder: string): Promise<Model> {
  session.activate();
  const model = await loadLayersModel(session.library, folder);
  return answering(session, model);
}

/** Mean loss of predictions that were made before, with no regularisation. */
export async function meanLossOf(
  { library: { core }, activate }: Session,
  plan: CallPlan,
  predictions: Float32Array,
  targets: Float32Array,
  rows: number,
): Promise<number> {
  const { ofOutput } = buildLoss(core, plan);
  const width = predictions.length / rows;
  let total = 0;
  for (let from = 0; from < rows; from += PREDICTION_ROWS) {
    activate();
    const count = Math.min(PREDICTION_ROWS, rows - from);
    const part = (values: Float32Array): Tensor2D =>
      core.tensor2d(values.subarray(from * width, (from + count) * width), [count, width]);
    const losses = core.tidy(() => ofOutput(part(predictions), part(targets)));
    for (const loss of await losses.data()) total += loss;
    losses.dispose();
  }
  return total / rows;
}

function answering({ library: { core }, activate }: Session, model: LayersModel): Model {
  const inputShape = sizes(model.inputs[0]);
  const outputShape = sizes(model.outputs[0]);
  const inputWidth = product(inputShape);
  const outputWidth = product(outputShape);
  return {
    inputShape,
    outputShape,
    parameterCount: model.countParams(),
    async predict(inputs, rows) {
      const outputs = new Float32Array(rows * outputWidth);
      for (let from = 0; from < rows; from += PREDICTION_ROWS) {
        activate();
        const count = Math.min(PREDICTION_ROWS, rows - from);
        const output = core.tidy(() => {
          const batch = inputs.subarray(from * inputWidth, (from + count) * inputWidth);
          return model.predict(core.tensor(batch, [count, ...inputShape]), { batchSize: count }) as Tensor;
        });
        outputs.set(await output.data(), from * outputWidth);
        output.dispose();
      }
      return outputs;
    },
    dispose() {
      activate();
      model.dispose();
    },
  };
}

/**
 * Builds a model with fresh weights, its loss and its optimizer.
 *
 * @throws MlpipeError `model-mismatch` where the plan says another shape than the engine makes
 */
export async function buildModel(session: Session, plan: ModelPlan, options: BuildOptions): Promise<TrainableModel> {
  const { library, activate } = session;
  const { core, layers } = library;
  activate();
  const loss = buildLoss(core, options.loss);
  const optimizer = buildOptimizer(core, options.optimizer);
  // The weights start from the same numbers whatever is drawn later, and the other way round.
  const initial = streamFor(options.seed, 'weights');
  const random = streamFor(options.seed, 'training');
  const built = initial.during(() => assemble(library, plan, options, loss));
  const { model, trained, ofLogits } = built;
  const rowLoss = ofLogits && loss.ofLogits ? loss.ofLogits : loss.ofOutput;
  const variables = model.trainableWeights.map((weight) => weight.read() as Variable);
  const optimizerState = new OptimizerState(core, optimizer, variables);
  let steps = 0;
  let rate = options.optimizer.arguments.rate as number;
  let unread: Scalar[] = [];
  const answers = answering(session, model);
  const { inputShape } = answers;
  const { targetWidth } = options;

  function step(inputs: Float32Array, targets: Float32Array, rows: number, weights?: Float32Array): void {
    activate();
    const lossOfBatch = core.tidy(() => {
      const x = core.tensor(inputs, [rows, ...inputShape]);
      const truth = core.tensor2d(targets, [rows, targetWidth]);
      const rowWeights = weights ? core.tensor1d(weights) : undefined;
      const { value, grads } = random.during(() =>
        core.variableGrads(() => {
          const output = trained.apply(x, { training: true }) as Tensor;
          const mean = meanLoss(core, rowLoss(asRows(output, rows), truth), rowWeights);
          return model.calculateLosses().reduce((total, penalty) => core.add(total, penalty), mean) as Scalar;
        }, variables),
      );
      steps += 1;
      optimizerState.apply(optimizer, grads, rate, steps);
      return core.keep(value);
    });
    unread.push(lossOfBatch);
  }

  function asRows(output: Tensor, rows: number): Tensor2D {
    return output.rank === 2 ? (output as Tensor2D) : core.reshape(output, [rows, targetWidth]);
  }

  async function read(named: { name: string; tensor: Tensor }[]): Promise<NamedArray[]> {
    return Promise.all(
      named.map(async ({ name, tensor }) => ({
        name,
        shape: tensor.shape.slice(),
        values: new Float32Array(await tensor.data()),
      })),
    );
  }

  function namedWeights(): { name: string; tensor: Variable }[] {
    return model.weights.map((weight, index) => ({
      name: `${index}:${weight.originalName}`,
      tensor: weight.read() as Variable,
    }));
  }

  function namedSlots(): { name: string; tensor: Variable }[] {
    return optimizerState.slots.flatMap(({ tensors }, index) =>
      Object.entries(tensors).map(([slot, tensor]) => ({ name: `${index}:${slot}`, tensor })),
    );
  }

  function assign(into: { name: string; tensor: Variable }[], from: NamedArray[]): void {
    const byName = new Map(from.map((array) => [array.name, array]));
    for (const { name, tensor } of into) {
      const array = byName.get(name);
      if (!array || array.shape.join() !== tensor.shape.join()) {
        throw new MlpipeError(`The checkpoint does not fit the model: ${name} is missing or of another shape.`, {
          code: 'checkpoint-mismatch',
          todo: 'Run the step again with --force to train from the beginning.',
        });
      }
      core.tidy(() => tensor.assign(core.tensor(array.values, array.shape)));
    }
  }

  return {
    ...answers,
    step,
    async losses() {
      const read = unread;
      unread = [];
      if (read.length === 0) return new Float32Array();
      activate();
      const stacked = core.tidy(() => core.stack(read));
      for (const tensor of read) tensor.dispose();
      const values = new Float32Array(await stacked.data());
      stacked.dispose();
      return values;
    },
    setRate(next) {
      rate = next;
    },
    async state() {
      activate();
      return {
        weights: await read(namedWeights()),
        optimizer: await read(namedSlots()),
        random: random.state,
        steps,
      };
    },
    async restore(state: ModelState) {
      activate();
      assign(namedWeights(), state.weights);
      assign(namedSlots(), state.optimizer);
      random.state = state.random;
      steps = state.steps;
    },
    async save(folder) {
      activate();
      await saveLayersModel(library, model, folder);
    },
    tensorCount: () => core.memory().numTensors,
    dispose() {
      activate();
      for (const tensor of unread) tensor.dispose();
      unread = [];
      optimizerState.dispose();
      model.dispose();
    },
  };

  function assemble(library: Library, plan: ModelPlan, options: BuildOptions, loss: Loss) {
    const input = layers.input({ shape: plan.inputShape, name: 'input' });
    let tensor: SymbolicTensor = input;
    let logits: SymbolicTensor | undefined;
    for (const [index, layerPlan] of plan.layers.entries()) {
      const last = index === plan.layers.length - 1;
      const name = `${index + 1}_${layerPlan.layer}`;
      const before = sizes(tensor);
      const context = { library, inputShape: before, name, statistics: index === 0 ? options.statistics : undefined };
      let made: Layer[];
      // The activation of a recurrent layer lies within its steps, not behind them.
      const endsInActivation = !RECURRENT_LAYERS.includes(layerPlan.layer);
      if (last && endsInActivation && loss.logitsOf && layerPlan.arguments.activation === loss.logitsOf) {
        const linear = { ...layerPlan, arguments: { ...layerPlan.arguments, activation: 'linear' } };
        tensor = applyAll(buildLayers(linear, context), tensor);
        logits = tensor;
        made = [layers.layers.activation({ name: `${name}_${loss.logitsOf}`, activation: loss.logitsOf })];
      } else {
        if (last && loss.logitsOf && layerPlan.arguments.function === loss.logitsOf) logits = tensor;
        made = buildLayers(layerPlan, context);
      }
      tensor = applyAll(made, tensor);
      const after = sizes(tensor);
      if (after.join() !== layerPlan.outputShape.join()) {
        throw new MlpipeError(
          `Layer ${index + 1}, ${layerPlan.layer}, gives [${after}] where the plan says [${layerPlan.outputShape}].`,
          { code: 'model-mismatch', todo: 'This is a fault of mlpipe. Please report it with the model.' },
        );
      }
    }
    const model = layers.model({ inputs: input, outputs: tensor, name: plan.name });
    const trained = logits ? layers.model({ inputs: input, outputs: logits, name: `${plan.name}_logits` }) : model;
    return { model, trained, ofLogits: logits !== undefined };
  }
}

/** Without the batch dimension. */
function sizes(tensor: SymbolicTensor | undefined): number[] {
  return (tensor?.shape ?? []).slice(1).map((size) => size ?? 0);
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}

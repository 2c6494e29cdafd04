/** Builds the layers of `grammar/builtins.mlpipe` out of those of tfjs-layers. */
import type { Tensor } from '@tensorflow/tfjs-core';
import type { LayersModel, RNN, SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { LayerPlan } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { type Arguments, argumentsOf } from '../arguments.ts';
import type { Library } from './library.ts';

export type Layer = LayersModel['layers'][number];

/** Mean and standard deviation of each input number, for `normalization`. */
export interface Statistics {
  mean: Float32Array;
  standardDeviation: Float32Array;
}

export interface LayerContext {
  library: Library;
  /** Without the batch dimension. */
  inputShape: number[];
  /** A name that is the same in every process, so that `model.json` is. */
  name: string;
  statistics?: Statistics;
}

type Builder = (given: Arguments, context: LayerContext) => Layer[];

/** Of how many dimensions a layer's input must be; a layer that wants channels and is given none sees one. */
const WANTED_RANK: Record<string, number> = {
  conv1d: 2,
  maxPool1d: 2,
  averagePool1d: 2,
  globalMaxPool1d: 2,
  globalAveragePool1d: 2,
  lstm: 2,
  gru: 2,
  simpleRnn: 2,
  conv2d: 3,
  conv2dTranspose: 3,
  separableConv2d: 3,
  depthwiseConv2d: 3,
  maxPool2d: 3,
  averagePool2d: 3,
  globalMaxPool2d: 3,
  globalAveragePool2d: 3,
  upSampling2d: 3,
  zeroPadding2d: 3,
};

const BUILDERS: Record<string, Builder> = {
  dense: (given, { library, name }) => [
    library.layers.layers.dense({
      name,
      units: given.number('units'),
      activation: activation(given),
      useBias: given.flag('useBias'),
      ...initializers(given, ['kernelInitializer', 'biasInitializer']),
      kernelRegularizer: regularizer(given, library),
    }),
  ],
  // tfjs refuses to flatten what is flat already.
  flatten: (_, { library, name, inputShape }) =>
    inputShape.length === 1 ? [] : [library.layers.layers.flatten({ name })],
  reshape: (given, { library, name }) => [library.layers.layers.reshape({ name, targetShape: given.list('shape') })],
  activation: (given, { library, name }) => [
    library.layers.layers.activation({ name, activation: activation(given, 'function') }),
  ],
  leakyRelu: (given, { library, name }) => [library.layers.layers.leakyReLU({ name, alpha: given.number('slope') })],
  rescaling: (given, { library, name }) => [
    library.layers.layers.rescaling({ name, scale: given.number('scale'), offset: given.number('offset') }),
  ],
  normalization,

  conv1d: (given, { library, name }) => [
    library.layers.layers.conv1d({
      ...convolution(given, library, name),
      kernelSize: given.number('kernel'),
      strides: given.number('strides'),
    }),
  ],
  conv2d: (given, { library, name }) => [
    library.layers.layers.conv2d({
      ...convolution(given, library, name),
      kernelSize: given.pair('kernel'),
      strides: given.pair('strides'),
    }),
  ],
  conv2dTranspose: (given, { library, name }) => [
    library.layers.layers.conv2dTranspose({
      ...convolution(given, library, name),
      kernelSize: given.pair('kernel'),
      strides: given.pair('strides'),
    }),
  ],
  separableConv2d: (given, { library, name }) => [
    library.layers.layers.separableConv2d({
      name,
      filters: given.number('filters'),
      kernelSize: given.pair('kernel'),
      strides: given.pair('strides'),
      padding: padding(given),
      depthMultiplier: given.number('depthMultiplier'),
      activation: activation(given),
      useBias: given.flag('useBias'),
      ...initializers(given, ['depthwiseInitializer', 'pointwiseInitializer', 'biasInitializer']),
    }),
  ],
  depthwiseConv2d: (given, { library, name }) => [
    library.layers.layers.depthwiseConv2d({
      name,
      kernelSize: given.pair('kernel'),
      strides: given.pair('strides'),
      padding: padding(given),
      depthMultiplier: given.number('depthMultiplier'),
      activation: activation(given),
      useBias: given.flag('useBias'),
      ...initializers(given, ['depthwiseInitializer', 'biasInitializer']),
    }),
  ],

  maxPool1d: (given, { library, name }) => [library.layers.layers.maxPooling1d({ name, ...pool1d(given) })],
  averagePool1d: (given, { library, name }) => [library.layers.layers.averagePooling1d({ name, ...pool1d(given) })],
  maxPool2d: (given, { library, name }) => [library.layers.layers.maxPooling2d({ name, ...pool2d(given) })],
  averagePool2d: (given, { library, name }) => [library.layers.layers.averagePooling2d({ name, ...pool2d(given) })],
  globalMaxPool1d: (_, { library, name }) => [library.layers.layers.globalMaxPooling1d({ name })],
  globalAveragePool1d: (_, { library, name }) => [library.layers.layers.globalAveragePooling1d({ name })],
  globalMaxPool2d: (_, { library, name }) => [library.layers.layers.globalMaxPooling2d({ name })],
  globalAveragePool2d: (_, { library, name }) => [library.layers.layers.globalAveragePooling2d({ name })],
  upSampling2d: (given, { library, name }) => [
    library.layers.layers.upSampling2d({
      name,
      size: given.pair('size'),
      interpolation: given.word('interpolation') as 'nearest' | 'bilinear',
    }),
  ],
  zeroPadding2d: (given, { library, name }) => [
    library.layers.layers.zeroPadding2d({ name, padding: given.pair('padding') }),
  ],

  // None of these is given a seed: tfjs would drop the same units in every step.
  dropout: (given, { library, name }) => [library.layers.layers.dropout({ name, rate: given.number('rate') })],
  gaussianNoise: (given, { library, name }) => [
    library.layers.layers.gaussianNoise({ name, stddev: given.number('deviation') }),
  ],
  batchNormalization,
  layerNormalization: (given, { library, name }) => [
    library.layers.layers.layerNormalization({
      name,
      epsilon: given.number('epsilon'),
      center: given.flag('center'),
      scale: given.flag('scale'),
    }),
  ],

  embedding: (given, { library, name }) => [
    library.layers.layers.embedding({
      name,
      inputDim: given.number('vocabulary'),
      outputDim: given.number('units'),
      embeddingsInitializer: given.word('initializer') as 'zeros',
    }),
  ],
  lstm: (given, { library, name }) =>
    recurrent(given, library, name, (common) =>
      library.layers.layers.lstm({
        ...common,
        recurrentActivation: activation(given, 'recurrentActivation'),
        unitForgetBias: given.flag('unitForgetBias'),
      }),
    ),
  gru: (given, { library, name }) =>
    recurrent(given, library, name, (common) =>
      library.layers.layers.gru({ ...common, recurrentActivation: activation(given, 'recurrentActivation') }),
    ),
  simpleRnn: (given, { library, name }) =>
    recurrent(given, library, name, (common) => library.layers.layers.simpleRNN(common)),
};

/** Layers that go through a sequence step by step. */
export const RECURRENT_LAYERS: readonly string[] = ['lstm', 'gru', 'simpleRnn'];

/** The layers that can be built, for the test that this is every layer of the language. */
export const BUILT_LAYERS: readonly string[] = Object.keys(BUILDERS);

/**
 * Builds what a layer of the plan stands for: usually one layer of tfjs, none for a `flatten` of what is flat, several
 * where a channel has to be added first.
 *
 * @throws MlpipeError `layer-unknown`
 */
export function buildLayers(plan: LayerPlan, context: LayerContext): Layer[] {
  const builder = BUILDERS[plan.layer];
  if (!builder) {
    throw new MlpipeError(`There is no layer ${plan.layer} in this version of mlpipe.`, {
      code: 'layer-unknown',
      todo: 'Run `mlpipe check` to see which layers there are.',
    });
  }
  const { library, inputShape, name } = context;
  const given = argumentsOf(plan.layer, plan.arguments);
  if (WANTED_RANK[plan.layer] !== inputShape.length + 1) return builder(given, context);
  const withChannel = [...inputShape, 1];
  return [
    library.layers.layers.reshape({ name: `${name}_channel`, targetShape: withChannel }),
    ...builder(given, { ...context, inputShape: withChannel }),
  ];
}

/** Applies layers one after the other; a layer's output is the next one's input. */
export function applyAll(layers: Layer[], input: SymbolicTensor): SymbolicTensor {
  return layers.reduce((tensor, layer) => layer.apply(tensor) as SymbolicTensor, input);
}

/**
 * (x − mean) / deviation of each input number. It is saved as what it is to any reader of the format: a batch
 * normalisation whose moving mean and variance are these, without factor and offset.
 */
function normalization(_: Arguments, { library, inputShape, name, statistics }: LayerContext): Layer[] {
  const { core, layers } = library;
  const width = inputShape.reduce((total, size) => total * size, 1);
  const mean = statistics?.mean ?? new Float32Array(width);
  // A number that never differs tells nothing; divided by 1 it becomes 0, as in scikit-learn's StandardScaler.
  const deviation = statistics?.standardDeviation ?? new Float32Array(width).fill(1);
  const variance = deviation.map((value) => (value > 0 ? value * value : 1));
  const layer = layers.layers.batchNormalization({
    name,
    center: false,
    scale: false,
    epsilon: 0,
    trainable: false,
    weights: [core.tensor1d(mean), core.tensor1d(variance)],
  });
  // tfjs would take a batch's own mean while training, even where a layer is not trainable.
  const call = layer.call.bind(layer);
  layer.call = (inputs, kwargs) => call(inputs, { ...kwargs, training: false });
  if (inputShape.length === 1) return [layer];
  return [
    layers.layers.reshape({ name: `${name}_flat`, targetShape: [width] }),
    layer,
    layers.layers.reshape({ name: `${name}_shape`, targetShape: inputShape }),
  ];
}

/** While training, tfjs asks for factor and offset even where they are left out; ones and zeros change nothing. */
function batchNormalization(given: Arguments, { library: { core, layers }, inputShape, name }: LayerContext): Layer[] {
  const layer = layers.layers.batchNormalization({
    name,
    momentum: given.number('momentum'),
    epsilon: given.number('epsilon'),
    center: given.flag('center'),
    scale: given.flag('scale'),
  });
  const width = inputShape.at(-1) ?? 1;
  // Private members of the layer, null or unset where `scale` or `center` is false.
  const factors = layer as unknown as { gamma?: { read(): Tensor } | null; beta?: { read(): Tensor } | null };
  const build = layer.build.bind(layer);
  layer.build = (shape) => {
    build(shape);
    factors.gamma ??= { read: () => core.ones([width]) };
    factors.beta ??= { read: () => core.zeros([width]) };
  };
  return [layer];
}

function convolution(given: Arguments, library: Library, name: string) {
  return {
    name,
    filters: given.number('filters'),
    padding: padding(given),
    activation: activation(given),
    useBias: given.flag('useBias'),
    ...initializers(given, ['kernelInitializer', 'biasInitializer']),
    kernelRegularizer: regularizer(given, library),
  };
}

function pool1d(given: Arguments) {
  return { poolSize: given.number('size'), strides: given.number('strides'), padding: padding(given) };
}

function pool2d(given: Arguments) {
  return { poolSize: given.pair('size'), strides: given.pair('strides'), padding: padding(given) };
}

function recurrent(
  given: Arguments,
  library: Library,
  name: string,
  build: (common: ReturnType<typeof recurrentArguments>) => RNN,
): Layer[] {
  const direction = given.word('direction');
  const common = recurrentArguments(given, library, direction === 'both' ? `${name}_cell` : name);
  if (direction === 'both') {
    return [library.layers.layers.bidirectional({ name, layer: build(common), mergeMode: 'concat' })];
  }
  return [build({ ...common, goBackwards: direction === 'backward' })];
}

function recurrentArguments(given: Arguments, library: Library, name: string) {
  return {
    name,
    units: given.number('units'),
    activation: activation(given),
    returnSequences: given.flag('returnSequences'),
    goBackwards: false,
    useBias: given.flag('useBias'),
    ...initializers(given, ['kernelInitializer', 'recurrentInitializer', 'biasInitializer']),
    kernelRegularizer: regularizer(given, library),
  };
}

/** The language's words for activations are tfjs's own. */
function activation(given: Arguments, name = 'activation'): 'linear' {
  return given.word(name) as 'linear';
}

function padding(given: Arguments): 'valid' | 'same' {
  return given.word('padding') as 'valid' | 'same';
}

/** The language's words for initialisers are tfjs's own. */
function initializers<Name extends string>(given: Arguments, names: Name[]): Record<Name, 'zeros'> {
  return Object.fromEntries(names.map((name) => [name, given.word(name)])) as Record<Name, 'zeros'>;
}

function regularizer(given: Arguments, { layers }: Library) {
  const l1 = given.number('l1');
  const l2 = given.number('l2');
  return l1 === 0 && l2 === 0 ? undefined : layers.regularizers.l1l2({ l1, l2 });
}

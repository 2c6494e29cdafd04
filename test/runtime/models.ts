/** Plans of models for tests, every default filled in and every shape inferred as the language does. */
import type { LayerPlan, ModelPlan, PlanValue } from '../../grammar/plan/plan.ts';
import { adaptedInput, shapeOfLayer } from '../../grammar/typing/layers.ts';

const START = { kernelInitializer: 'glorotUniform', biasInitializer: 'zeros' };
const PENALTY = { l1: 0, l2: 0 };
const PLACE = { strides: [1, 1], padding: 'valid', activation: 'linear', useBias: true };
const RECURRENT = {
  activation: 'tanh',
  returnSequences: false,
  direction: 'forward',
  useBias: true,
  recurrentInitializer: 'orthogonal',
  ...START,
  ...PENALTY,
};

export const DEFAULTS: Record<string, Record<string, PlanValue>> = {
  dense: { activation: 'linear', useBias: true, ...START, ...PENALTY },
  flatten: {},
  reshape: {},
  activation: {},
  leakyRelu: { slope: 0.3 },
  rescaling: { offset: 0 },
  normalization: {},
  conv1d: { ...PLACE, strides: 1, ...START, ...PENALTY },
  conv2d: { ...PLACE, ...START, ...PENALTY },
  conv2dTranspose: { ...PLACE, ...START, ...PENALTY },
  separableConv2d: {
    ...PLACE,
    depthMultiplier: 1,
    depthwiseInitializer: 'glorotUniform',
    pointwiseInitializer: 'glorotUniform',
    biasInitializer: 'zeros',
  },
  depthwiseConv2d: { ...PLACE, depthMultiplier: 1, depthwiseInitializer: 'glorotUniform', biasInitializer: 'zeros' },
  maxPool1d: { size: 2, strides: 2, padding: 'valid' },
  averagePool1d: { size: 2, strides: 2, padding: 'valid' },
  maxPool2d: { size: [2, 2], strides: [2, 2], padding: 'valid' },
  averagePool2d: { size: [2, 2], strides: [2, 2], padding: 'valid' },
  globalMaxPool1d: {},
  globalAveragePool1d: {},
  globalMaxPool2d: {},
  globalAveragePool2d: {},
  upSampling2d: { size: [2, 2], interpolation: 'nearest' },
  zeroPadding2d: { padding: [1, 1] },
  dropout: { rate: 0.5 },
  gaussianNoise: {},
  batchNormalization: { momentum: 0.99, epsilon: 1e-3, center: true, scale: true },
  layerNormalization: { epsilon: 1e-3, center: true, scale: true },
  embedding: { initializer: 'randomUniform' },
  lstm: { ...RECURRENT, recurrentActivation: 'sigmoid', unitForgetBias: true },
  gru: { ...RECURRENT, recurrentActivation: 'sigmoid' },
  simpleRnn: RECURRENT,
};

export type LayerWord = [layer: string, given?: Record<string, PlanValue>];

export function modelPlan(inputShape: number[], layers: LayerWord[]): ModelPlan {
  let shape = inputShape;
  let parameterCount = 0;
  const plans: LayerPlan[] = layers.map(([layer, given]) => {
    const values = { ...DEFAULTS[layer], ...given };
    const inferred = shapeOfLayer(layer, adaptedInput(layer, shape), values);
    if (!inferred || 'wants' in inferred) throw new Error(`${layer} does not take [${shape}].`);
    shape = [...inferred.output];
    parameterCount += inferred.parameters;
    return { layer, arguments: values, outputShape: shape, parameterCount: inferred.parameters };
  });
  return { name: 'model', data: 'data', inputs: ['x'], inputShape, layers: plans, outputShape: shape, parameterCount };
}

/** Numbers without pattern between −1 and 1, the same in every run. */
export function numbers(count: number, seed = 1): Float32Array {
  let state = seed;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state / 0x7fffffff) * 2 - 1;
  });
}

export function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}

export const LOSSES: Record<string, Record<string, PlanValue>> = {
  crossEntropy: { labelSmoothing: 0.1 },
  binaryCrossEntropy: { labelSmoothing: 0.1 },
  hinge: {},
  squaredHinge: {},
  categoricalHinge: {},
  klDivergence: {},
  meanSquaredError: {},
  meanAbsoluteError: {},
  huber: { delta: 0.5 },
  logCosh: {},
  poisson: {},
};

export const OPTIMIZERS: Record<string, Record<string, PlanValue>[]> = {
  sgd: [
    { rate: 0.05, momentum: 0, nesterov: false },
    { rate: 0.05, momentum: 0.9, nesterov: false },
    { rate: 0.05, momentum: 0.9, nesterov: true },
  ],
  adam: [{ rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }],
  adamax: [{ rate: 0.01, beta1: 0.9, beta2: 0.999, epsilon: 1e-7 }],
  adagrad: [{ rate: 0.1, accumulator: 0.1, epsilon: 1e-7 }],
  adadelta: [{ rate: 1, rho: 0.95, epsilon: 1e-7 }],
  rmsprop: [
    { rate: 0.01, rho: 0.9, momentum: 0, epsilon: 1e-7 },
    { rate: 0.01, rho: 0.9, momentum: 0.9, epsilon: 1e-7 },
  ],
};

/**
 * What each layer makes of a shape, and how many numbers it holds: one entry a layer of `builtins.mlpipe`. The formulas are
 * those of Keras and are tested against models that TensorFlow.js builds. Shapes have no batch dimension.
 */
import type { PlanValue } from '../plan/plan.ts';
import { sizeOf } from './columns.ts';

export type Shape = readonly number[];

export interface LayerShape {
  output: number[];
  /** Trainable and fixed numbers. */
  parameters: number;
}

/** Why a layer cannot take a shape: what it wants, as the end of "it wants …". */
export interface ShapeMisfit {
  wants: string;
}

export type LayerArguments = Readonly<Record<string, PlanValue>>;

interface LayerRule {
  /** Dimensions that the input must have; any number of them where it is not given. */
  rank?: number;
  shape: (input: Shape, values: LayerArguments) => LayerShape | ShapeMisfit;
}

const PICTURE = 3;
const SEQUENCE = 2;

const LAYERS: Readonly<Record<string, LayerRule>> = {
  dense: {
    shape: (input, values) => {
      const units = number(values, 'units');
      const features = input.at(-1) ?? 1;
      return { output: [...input.slice(0, -1), units], parameters: features * units + bias(values, units) };
    },
  },
  flatten: { shape: (input) => ({ output: [sizeOf(input)], parameters: 0 }) },
  reshape: {
    shape: (input, values) => {
      const output = numbers(values, 'shape');
      return sizeOf(output) === sizeOf(input)
        ? { output, parameters: 0 }
        : { wants: `${sizeOf(output)} numbers for ${shapeText(output)}` };
    },
  },
  activation: { shape: unchanged },
  leakyRelu: { shape: unchanged },
  rescaling: { shape: unchanged },
  dropout: { shape: unchanged },
  gaussianNoise: { shape: unchanged },
  normalization: { shape: (input) => ({ output: [...input], parameters: 2 * sizeOf(input) }) },
  batchNormalization: {
    shape: (input, values) => {
      const channels = input.at(-1) ?? 1;
      return { output: [...input], parameters: channels * (2 + flag(values, 'center') + flag(values, 'scale')) };
    },
  },
  layerNormalization: {
    shape: (input, values) => {
      const channels = input.at(-1) ?? 1;
      return { output: [...input], parameters: channels * (flag(values, 'center') + flag(values, 'scale')) };
    },
  },
  conv1d: {
    rank: SEQUENCE,
    shape: ([steps = 0, channels = 0], values) => {
      const filters = number(values, 'filters');
      const kernel = number(values, 'kernel');
      const length = windows(steps, kernel, number(values, 'strides'), values);
      if (length < 1) return { wants: `at least ${kernel} steps for a kernel of ${kernel}` };
      return { output: [length, filters], parameters: kernel * channels * filters + bias(values, filters) };
    },
  },
  conv2d: {
    rank: PICTURE,
    shape: (input, values) => {
      const filters = number(values, 'filters');
      const channels = input[2] ?? 0;
      const parameters = sizeOf(numbers(values, 'kernel')) * channels * filters + bias(values, filters);
      return slide(input, values, 'kernel', filters, parameters);
    },
  },
  conv2dTranspose: {
    rank: PICTURE,
    shape: ([height = 0, width = 0, channels = 0], values) => {
      const filters = number(values, 'filters');
      const [kernelHeight = 1, kernelWidth = 1] = numbers(values, 'kernel');
      const [down = 1, right = 1] = numbers(values, 'strides');
      const grown = (length: number, kernel: number, stride: number): number =>
        length * stride + (values.padding === 'valid' ? Math.max(kernel - stride, 0) : 0);
      return {
        output: [grown(height, kernelHeight, down), grown(width, kernelWidth, right), filters],
        parameters: kernelHeight * kernelWidth * channels * filters + bias(values, filters),
      };
    },
  },
  separableConv2d: {
    rank: PICTURE,
    shape: (input, values) => {
      const filters = number(values, 'filters');
      const deep = (input[2] ?? 0) * number(values, 'depthMultiplier');
      const parameters = sizeOf(numbers(values, 'kernel')) * deep + deep * filters + bias(values, filters);
      return equalStrides(values) ?? slide(input, values, 'kernel', filters, parameters);
    },
  },
  depthwiseConv2d: {
    rank: PICTURE,
    shape: (input, values) => {
      const deep = (input[2] ?? 0) * number(values, 'depthMultiplier');
      const parameters = sizeOf(numbers(values, 'kernel')) * deep + bias(values, deep);
      return equalStrides(values) ?? slide(input, values, 'kernel', deep, parameters);
    },
  },
  maxPool1d: { rank: SEQUENCE, shape: pool1d },
  averagePool1d: { rank: SEQUENCE, shape: pool1d },
  maxPool2d: { rank: PICTURE, shape: (input, values) => slide(input, values, 'size', input[2] ?? 0, 0) },
  averagePool2d: { rank: PICTURE, shape: (input, values) => slide(input, values, 'size', input[2] ?? 0, 0) },
  globalMaxPool1d: { rank: SEQUENCE, shape: channelsAlone },
  globalAveragePool1d: { rank: SEQUENCE, shape: channelsAlone },
  globalMaxPool2d: { rank: PICTURE, shape: channelsAlone },
  globalAveragePool2d: { rank: PICTURE, shape: channelsAlone },
  upSampling2d: {
    rank: PICTURE,
    shape: ([height = 0, width = 0, channels = 0], values) => {
      const [down = 1, right = 1] = numbers(values, 'size');
      return { output: [height * down, width * right, channels], parameters: 0 };
    },
  },
  zeroPadding2d: {
    rank: PICTURE,
    shape: ([height = 0, width = 0, channels = 0], values) => {
      const [vertical = 0, horizontal = 0] = numbers(values, 'padding');
      return { output: [height + 2 * vertical, width + 2 * horizontal, channels], parameters: 0 };
    },
  },
  embedding: {
    rank: 1,
    shape: ([steps = 0], values) => {
      const units = number(values, 'units');
      return { output: [steps, units], parameters: number(values, 'vocabulary') * units };
    },
  },
  lstm: { rank: SEQUENCE, shape: (input, values) => recurrent(input, values, 4) },
  gru: { rank: SEQUENCE, shape: (input, values) => recurrent(input, values, 3) },
  simpleRnn: { rank: SEQUENCE, shape: (input, values) => recurrent(input, values, 1) },
};

/** Names of all layers that have a shape rule; a test compares them with the library. */
export const LAYERS_WITH_SHAPES: readonly string[] = Object.keys(LAYERS);

/**
 * The shape that a layer sees: where it wants channels and is given none, there is one, `[8, 8]` → `[8, 8, 1]`. An
 * embedding makes channels itself and is never given one.
 */
export function adaptedInput(layer: string, input: Shape): number[] {
  const rank = LAYERS[layer]?.rank;
  return rank !== undefined && rank > 1 && input.length === rank - 1 ? [...input, 1] : [...input];
}

/** What a layer makes of a shape that `adaptedInput` has seen; `undefined` for a layer that is unknown. */
export function shapeOfLayer(
  layer: string,
  input: Shape,
  values: LayerArguments,
): LayerShape | ShapeMisfit | undefined {
  const rule = LAYERS[layer];
  if (rule === undefined) return undefined;
  if (rule.rank !== undefined && input.length !== rule.rank)
    return { wants: WANTED[rule.rank] ?? `${rule.rank} dimensions` };
  return rule.shape(input, values);
}

const WANTED: Readonly<Record<number, string>> = {
  1: 'one row of numbers, `[steps]`',
  [SEQUENCE]: 'a sequence, `[steps, features]`',
  [PICTURE]: 'a picture, `[height, width, channels]`',
};

/** `[8, 8, 16]`, as the language writes a shape. */
export function shapeText(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

// ---------------------------------------------------------------- formulas that several share

function unchanged(input: Shape): LayerShape {
  return { output: [...input], parameters: 0 };
}

function channelsAlone(input: Shape): LayerShape {
  return { output: input.slice(-1), parameters: 0 };
}

function pool1d([steps = 0, channels = 0]: Shape, values: LayerArguments): LayerShape | ShapeMisfit {
  const size = number(values, 'size');
  const length = windows(steps, size, number(values, 'strides'), values);
  return length < 1
    ? { wants: `at least ${size} steps for a size of ${size}` }
    : { output: [length, channels], parameters: 0 };
}

/** A window of `values[window]` sliding over a picture. */
function slide(
  [height = 0, width = 0]: Shape,
  values: LayerArguments,
  window: 'kernel' | 'size',
  channels: number,
  parameters: number,
): LayerShape | ShapeMisfit {
  const [windowHeight = 1, windowWidth = 1] = numbers(values, window);
  const [down = 1, right = 1] = numbers(values, 'strides');
  const output = [windows(height, windowHeight, down, values), windows(width, windowWidth, right, values), channels];
  if (output.some((length) => length < 1))
    return {
      wants: `a picture of at least ${windowHeight} × ${windowWidth} for a ${window} of ${shapeText([windowHeight, windowWidth])}`,
    };
  return { output, parameters };
}

/** How many windows fit: ⌈(length − window + 1) / stride⌉ inside, ⌈length / stride⌉ with zeros round about. */
function windows(length: number, window: number, stride: number, values: LayerArguments): number {
  return Math.ceil((values.padding === 'same' ? length : length - window + 1) / stride);
}

/** No engine has a depthwise convolution that moves on differently in its two directions. */
function equalStrides(values: LayerArguments): ShapeMisfit | undefined {
  const [down, right] = numbers(values, 'strides');
  return down === right ? undefined : { wants: 'the same stride in both directions' };
}

/** `gates` sets of weights for the inputs, for the memory, and for the bias. */
function recurrent([steps = 0, features = 0]: Shape, values: LayerArguments, gates: number): LayerShape {
  const units = number(values, 'units');
  const directions = values.direction === 'both' ? 2 : 1;
  const parameters = directions * gates * (units * (features + units) + bias(values, units));
  const width = directions * units;
  return { output: values.returnSequences === true ? [steps, width] : [width], parameters };
}

function bias(values: LayerArguments, count: number): number {
  return flag(values, 'useBias') * count;
}

function flag(values: LayerArguments, name: string): 0 | 1 {
  return values[name] === true ? 1 : 0;
}

function number(values: LayerArguments, name: string): number {
  const value = values[name];
  return typeof value === 'number' ? value : 0;
}

function numbers(values: LayerArguments, name: string): number[] {
  const value = values[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'number') : [];
}

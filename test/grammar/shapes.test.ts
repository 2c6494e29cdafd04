/** Shapes and parameter counts, against the models that TensorFlow.js builds from the same layers. */
import assert from 'node:assert/strict';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import fc from 'fast-check';
import * as ast from '../../grammar/generated/ast.ts';
import type { PlanValue } from '../../grammar/plan/plan.ts';
import { builtinElements } from '../../grammar/scoping/builtins.ts';
import { plainArgumentValues } from '../../grammar/typing/arguments.ts';
import { adaptedInput, LAYERS_WITH_SHAPES, type LayerShape, shapeOfLayer } from '../../grammar/typing/layers.ts';
import { inferModel } from '../../grammar/typing/model.ts';
import { load, services } from './parsing.ts';

type Values = Record<string, PlanValue>;
type Arguments = Record<string, unknown>;

/** The same layer in TensorFlow.js, by its own names. */
const BUILT: Record<string, (values: Values) => layers.layers.Layer> = {
  dense: (v) => layers.layers.dense(pick(v, 'units', 'useBias') as never),
  flatten: () => layers.layers.flatten(),
  reshape: (v) => layers.layers.reshape({ targetShape: v.shape as number[] }),
  activation: () => layers.layers.activation({ activation: 'relu' }),
  leakyRelu: () => layers.layers.leakyReLU(),
  dropout: () => layers.layers.dropout({ rate: 0.5 }),
  gaussianNoise: () => layers.layers.gaussianNoise({ stddev: 0.1 }),
  batchNormalization: (v) => layers.layers.batchNormalization(pick(v, 'center', 'scale')),
  layerNormalization: (v) => layers.layers.layerNormalization(pick(v, 'center', 'scale')),
  conv1d: (v) => layers.layers.conv1d(convolution(v) as never),
  conv2d: (v) => layers.layers.conv2d(convolution(v) as never),
  conv2dTranspose: (v) => layers.layers.conv2dTranspose(convolution(v) as never),
  separableConv2d: (v) =>
    layers.layers.separableConv2d({ ...convolution(v), depthMultiplier: v.depthMultiplier } as never),
  depthwiseConv2d: (v) =>
    layers.layers.depthwiseConv2d({ ...convolution(v), depthMultiplier: v.depthMultiplier } as never),
  maxPool1d: (v) => layers.layers.maxPooling1d(pooling(v) as never),
  averagePool1d: (v) => layers.layers.averagePooling1d(pooling(v) as never),
  maxPool2d: (v) => layers.layers.maxPooling2d(pooling(v) as never),
  averagePool2d: (v) => layers.layers.averagePooling2d(pooling(v) as never),
  globalMaxPool1d: () => layers.layers.globalMaxPooling1d({}),
  globalAveragePool1d: () => layers.layers.globalAveragePooling1d({}),
  globalMaxPool2d: () => layers.layers.globalMaxPooling2d({}),
  globalAveragePool2d: () => layers.layers.globalAveragePooling2d({}),
  upSampling2d: (v) => layers.layers.upSampling2d({ size: v.size as [number, number] }),
  zeroPadding2d: (v) => layers.layers.zeroPadding2d({ padding: v.padding as [number, number] }),
  embedding: (v) => layers.layers.embedding({ inputDim: v.vocabulary as number, outputDim: v.units as number }),
  lstm: (v) => recurrent(v, layers.layers.lstm(memory(v) as never)),
  gru: (v) => recurrent(v, layers.layers.gru(memory(v) as never)),
  simpleRnn: (v) => recurrent(v, layers.layers.simpleRNN(memory(v) as never)),
};

/** Layers that TensorFlow.js does not have as we mean them; their shape stays, and their numbers are said by the library. */
const OWN = ['rescaling', 'normalization'];

function pick(values: Values, ...names: string[]): Arguments {
  return Object.fromEntries(names.map((name) => [name, values[name]]));
}

function convolution(values: Values): Arguments {
  return { ...pick(values, 'filters', 'strides', 'padding', 'useBias'), kernelSize: values.kernel };
}

/** Orthogonal numbers would need operations that are not loaded; shapes do not depend on them. */
function memory(values: Values): Arguments {
  return { ...pick(values, 'units', 'returnSequences', 'useBias'), recurrentInitializer: 'zeros' };
}

function pooling(values: Values): Arguments {
  return { ...pick(values, 'strides', 'padding'), poolSize: values.size };
}

function recurrent(values: Values, layer: layers.layers.RNN): layers.layers.Layer {
  return values.direction === 'both' ? layers.layers.bidirectional({ layer, mergeMode: 'concat' }) : layer;
}

/** What TensorFlow.js makes of it; `undefined` where it refuses. */
function built(layer: string, input: number[], values: Values): LayerShape | undefined {
  return tf.tidy(() => {
    try {
      const model = layers.sequential();
      const made = BUILT[layer]?.(values);
      if (made === undefined) return undefined;
      model.add(layers.layers.inputLayer({ inputShape: input }));
      model.add(made);
      const output = (model.outputs[0]?.shape ?? []).slice(1) as number[];
      return output.some((length) => length < 1) ? undefined : { output, parameters: model.countParams() };
    } catch {
      return undefined;
    }
  });
}

function declared(name: string): ast.Callable {
  const found = builtinElements(services.shared.workspace.LangiumDocuments)
    .filter(ast.isCallable)
    .find((callable) => callable.kind === 'layer' && callable.name === name);
  assert.ok(found, `${name} is not in the library.`);
  return found;
}

const small = fc.integer({ min: 1, max: 4 });
const side = fc.integer({ min: 1, max: 9 });
const channels = fc.integer({ min: 1, max: 3 });
const pair = fc.tuple(small, small);
const same = small.map((stride): [number, number] => [stride, stride]);
const padding = fc.constantFrom('same', 'valid');
const picture = fc.tuple(side, side, channels);
const sequence = fc.tuple(side, channels);
const any = fc.oneof(fc.tuple(side), sequence, picture);

/** Inputs and the arguments that make a difference, by layer. */
const CASES: Record<string, { input: fc.Arbitrary<number[]>; values?: Record<string, fc.Arbitrary<PlanValue>> }> = {
  dense: { input: any, values: { units: small, useBias: fc.boolean() } },
  flatten: { input: fc.oneof(sequence, picture) },
  activation: { input: any },
  leakyRelu: { input: any },
  dropout: { input: any },
  gaussianNoise: { input: any },
  batchNormalization: { input: any, values: { center: fc.boolean(), scale: fc.boolean() } },
  layerNormalization: { input: any, values: { center: fc.boolean(), scale: fc.boolean() } },
  conv1d: {
    input: sequence,
    values: { filters: small, kernel: small, strides: small, padding, useBias: fc.boolean() },
  },
  conv2d: { input: picture, values: { filters: small, kernel: pair, strides: pair, padding, useBias: fc.boolean() } },
  conv2dTranspose: {
    input: picture,
    values: { filters: small, kernel: pair, strides: pair, padding, useBias: fc.boolean() },
  },
  separableConv2d: {
    input: picture,
    values: { filters: small, kernel: pair, strides: same, padding, depthMultiplier: small, useBias: fc.boolean() },
  },
  depthwiseConv2d: {
    input: picture,
    values: { kernel: pair, strides: same, padding, depthMultiplier: small, useBias: fc.boolean() },
  },
  maxPool1d: { input: sequence, values: { size: small, strides: small, padding } },
  averagePool1d: { input: sequence, values: { size: small, strides: small, padding } },
  maxPool2d: { input: picture, values: { size: pair, strides: pair, padding } },
  averagePool2d: { input: picture, values: { size: pair, strides: pair, padding } },
  globalMaxPool1d: { input: sequence },
  globalAveragePool1d: { input: sequence },
  globalMaxPool2d: { input: picture },
  globalAveragePool2d: { input: picture },
  upSampling2d: { input: picture, values: { size: pair } },
  zeroPadding2d: { input: picture, values: { padding: pair } },
  embedding: { input: fc.tuple(side), values: { vocabulary: small, units: small } },
  lstm: {
    input: sequence,
    values: {
      units: small,
      returnSequences: fc.boolean(),
      direction: fc.constantFrom('forward', 'both'),
      useBias: fc.boolean(),
    },
  },
  gru: {
    input: sequence,
    values: {
      units: small,
      returnSequences: fc.boolean(),
      direction: fc.constantFrom('forward', 'both'),
      useBias: fc.boolean(),
    },
  },
  simpleRnn: {
    input: sequence,
    values: {
      units: small,
      returnSequences: fc.boolean(),
      direction: fc.constantFrom('forward', 'both'),
      useBias: fc.boolean(),
    },
  },
};

describe('shapes', () => {
  before(async () => {
    await load('param a = 1\n');
    await tf.setBackend('cpu');
  });

  it('are known for every layer of the library, and for no other', () => {
    const names = builtinElements(services.shared.workspace.LangiumDocuments)
      .filter(ast.isCallable)
      .filter(({ kind }) => kind === 'layer')
      .map(({ name }) => name);
    assert.deepEqual([...LAYERS_WITH_SHAPES].sort(), names.sort());
    assert.deepEqual([...Object.keys(BUILT), ...OWN].sort(), [...names].sort());
  });

  for (const [layer, { input, values = {} }] of Object.entries(CASES)) {
    it(`of ${layer} are those of TensorFlow.js`, () => {
      // `useBias` and the like that are not varied have their defaults, which the library declares.
      const defaults = plainArgumentValues([], {
        ...declared(layer),
        parameters: declared(layer).parameters.filter((parameter) => parameter.value !== undefined),
      } as ast.Callable);
      assert.ok(defaults);
      fc.assert(
        fc.property(input, fc.record(values), (shape, given) => {
          const all = { ...defaults, ...given } as Values;
          const ours = shapeOfLayer(layer, shape, all);
          const theirs = built(layer, [...shape], all);
          assert.ok(ours);
          if (theirs === undefined) assert.ok('wants' in ours, `TensorFlow.js refuses ${JSON.stringify([shape, all])}`);
          else assert.deepEqual(ours, theirs);
        }),
        { numRuns: 25, seed: 7 },
      );
    });
  }

  it('of reshape keep the numbers', () => {
    assert.deepEqual(
      shapeOfLayer('reshape', [8, 8], { shape: [4, 4, 4] }),
      built('reshape', [8, 8], { shape: [4, 4, 4] }),
    );
    assert.equal('wants' in (shapeOfLayer('reshape', [8, 8], { shape: [65] }) ?? {}), true);
  });

  it('of normalization hold a mean and a deviation for each input', () => {
    assert.deepEqual(shapeOfLayer('normalization', [3, 2], {}), { output: [3, 2], parameters: 12 });
    assert.deepEqual(shapeOfLayer('rescaling', [3, 2], {}), { output: [3, 2], parameters: 0 });
  });

  it('get a channel where a layer wants one', () => {
    assert.deepEqual(adaptedInput('conv2d', [8, 8]), [8, 8, 1]);
    assert.deepEqual(adaptedInput('lstm', [24]), [24, 1]);
    assert.deepEqual(adaptedInput('conv2d', [8]), [8]);
    assert.deepEqual(adaptedInput('embedding', [8]), [8]);
    assert.deepEqual(adaptedInput('dense', [8, 8]), [8, 8]);
  });

  it('go through a whole model as TensorFlow.js counts them', async () => {
    const { document } = await load(`data d {
  from "d.csv"
  schema {
    x  float[8, 8]
  }
}

model m {
  input d.x
  conv2d(filters: 16, kernel: 3, activation: relu)
  maxPool2d(size: 2)
  flatten
  dense(units: 10, activation: softmax)
}
`);
    const model = document.parseResult.value.elements.find(ast.isModel);
    assert.ok(model);
    const info = inferModel(model);
    assert.deepEqual(
      info.layers.map(({ output }) => output),
      [[6, 6, 16], [3, 3, 16], [144], [10]],
    );
    const same = layers.sequential();
    same.add(layers.layers.conv2d({ filters: 16, kernelSize: 3, inputShape: [8, 8, 1] }));
    same.add(layers.layers.maxPooling2d({ poolSize: 2 }));
    same.add(layers.layers.flatten());
    same.add(layers.layers.dense({ units: 10 }));
    assert.equal(info.parameterCount, same.countParams());
    same.dispose();
  });

  it('join several inputs, classes one-hot', async () => {
    const { document } = await load(`data d {
  from "d.csv"
  schema {
    size  float
    grid  float[2, 3]
    kind  class(a, b, c)
    yes   bool
  }
}

model m {
  input d.size, d.grid, d.kind, d.yes
  dense(units: 2)
}
`);
    const model = document.parseResult.value.elements.find(ast.isModel);
    assert.ok(model);
    assert.deepEqual(inferModel(model).inputShape, [1 + 6 + 3 + 1]);
  });
});

/** Small nets about each layer, loss and optimizer, for what all engines must agree in. */
import type { CallPlan } from '../../grammar/plan/plan.ts';
import type { Engine } from '../../runtime/engines/engine.ts';
import { type LayerWord, LOSSES, modelPlan, numbers, OPTIMIZERS, product } from './models.ts';

/** A weight in front, so that the gradient has to come through the layer, and one behind. */
const throughPicture = (...layers: LayerWord[]): LayerWord[] => [
  ['conv2d', { filters: 2, kernel: [2, 2], padding: 'same' }],
  ...layers,
  ['flatten'],
  ['dense', { units: 2 }],
];
const throughSequence = (...layers: LayerWord[]): LayerWord[] => [
  ['dense', { units: 3 }],
  ...layers,
  ['flatten'],
  ['dense', { units: 2 }],
];
const picture = [6, 6, 2];
const sequence = [6, 3];

/** Nets by the layer that they are about, with the shape of their input. `embedding`, dropout and noise need inputs of their own. */
export const LAYER_NETS: Record<string, [shape: number[], layers: LayerWord[]][]> = {
  dense: [
    [
      [5],
      [
        ['dense', { units: 4, activation: 'tanh', l1: 0.01, l2: 0.02 }],
        ['dense', { units: 2 }],
      ],
    ],
  ],
  flatten: [[picture, throughPicture()]],
  reshape: [[[6], [['dense', { units: 6 }], ['reshape', { shape: [2, 3] }], ['flatten'], ['dense', { units: 2 }]]]],
  activation: [
    'relu',
    'relu6',
    'elu',
    'selu',
    'gelu',
    'swish',
    'mish',
    'sigmoid',
    'hardSigmoid',
    'softmax',
    'softplus',
    'softsign',
    'tanh',
    'linear',
  ].map((name) => [
    [5],
    [
      ['dense', { units: 4 }],
      ['activation', { function: name }],
      ['dense', { units: 2 }],
    ],
  ]),
  leakyRelu: [[[5], [['dense', { units: 4 }], ['leakyRelu'], ['dense', { units: 2 }]]]],
  rescaling: [
    [
      [5],
      [
        ['rescaling', { scale: 0.5, offset: 0.1 }],
        ['dense', { units: 2 }],
      ],
    ],
  ],
  normalization: [
    [
      [4, 4],
      [['normalization'], ['flatten'], ['dense', { units: 2 }]],
    ],
  ],
  conv1d: [
    [sequence, throughSequence(['conv1d', { filters: 3, kernel: 3 }])],
    [sequence, throughSequence(['conv1d', { filters: 3, kernel: 3, strides: 2, padding: 'same' }])],
  ],
  conv2d: [
    [picture, throughPicture(['conv2d', { filters: 3, kernel: [3, 3] }])],
    [picture, throughPicture(['conv2d', { filters: 3, kernel: [3, 3], padding: 'same', strides: [2, 2], l2: 0.1 }])],
    [picture, throughPicture(['conv2d', { filters: 2, kernel: [3, 2], strides: [2, 1] }])],
    [
      [6, 6],
      [['conv2d', { filters: 2, kernel: [3, 3] }], ['flatten'], ['dense', { units: 2 }]],
    ],
  ],
  conv2dTranspose: [
    [picture, throughPicture(['conv2dTranspose', { filters: 2, kernel: [3, 3], strides: [2, 2], padding: 'same' }])],
    [picture, throughPicture(['conv2dTranspose', { filters: 2, kernel: [2, 2] }])],
  ],
  separableConv2d: [[picture, throughPicture(['separableConv2d', { filters: 3, kernel: [3, 3], depthMultiplier: 2 }])]],
  depthwiseConv2d: [
    [picture, throughPicture(['depthwiseConv2d', { kernel: [3, 3], depthMultiplier: 2 }])],
    [picture, throughPicture(['depthwiseConv2d', { kernel: [3, 3], strides: [2, 2], padding: 'same' }])],
  ],
  maxPool1d: [[sequence, throughSequence(['maxPool1d'])]],
  averagePool1d: [[sequence, throughSequence(['averagePool1d', { size: 3, padding: 'same' }])]],
  maxPool2d: [
    [picture, throughPicture(['maxPool2d'])],
    [picture, throughPicture(['maxPool2d', { size: [3, 3], strides: [1, 1], padding: 'same' }])],
  ],
  averagePool2d: [
    [picture, throughPicture(['averagePool2d'])],
    [picture, throughPicture(['averagePool2d', { size: [3, 3], strides: [2, 2], padding: 'same' }])],
  ],
  globalMaxPool1d: [[sequence, throughSequence(['globalMaxPool1d'])]],
  globalAveragePool1d: [[sequence, throughSequence(['globalAveragePool1d'])]],
  globalMaxPool2d: [[picture, throughPicture(['globalMaxPool2d'])]],
  globalAveragePool2d: [[picture, throughPicture(['globalAveragePool2d'])]],
  upSampling2d: [
    [picture, throughPicture(['upSampling2d'])],
    [picture, throughPicture(['upSampling2d', { interpolation: 'bilinear' }])],
  ],
  zeroPadding2d: [[picture, throughPicture(['zeroPadding2d', { padding: [1, 2] }])]],
  batchNormalization: [
    [picture, throughPicture(['batchNormalization'])],
    [
      [5],
      [
        ['dense', { units: 4 }],
        ['batchNormalization', { scale: false, center: false }],
        ['dense', { units: 2 }],
      ],
    ],
  ],
  layerNormalization: [
    [sequence, throughSequence(['layerNormalization'])],
    [sequence, throughSequence(['layerNormalization', { scale: false, center: false }])],
  ],
  lstm: [
    [sequence, throughSequence(['lstm', { units: 3 }])],
    [sequence, throughSequence(['lstm', { units: 2, direction: 'both', returnSequences: true, l2: 0.01 }])],
  ],
  gru: [[sequence, throughSequence(['gru', { units: 3, direction: 'backward' }])]],
  simpleRnn: [[sequence, throughSequence(['simpleRnn', { units: 3, returnSequences: true }])]],
};

/** Words as numbers from 0 to 4, some of them twice in a row and in a batch. */
export const EMBEDDING_NET: { shape: number[]; layers: LayerWord[]; inputs: Float32Array } = {
  shape: [4],
  layers: [['embedding', { vocabulary: 5, units: 3 }], ['flatten'], ['dense', { units: 2 }]],
  inputs: Float32Array.of(0, 1, 2, 2, 3, 3, 3, 1, 4, 0, 0, 0),
};

export interface Net {
  /** `conv2d 2`: the second net about `conv2d`. */
  name: string;
  shape: number[];
  layers: LayerWord[];
  inputs?: Float32Array;
  /** The squared error unless said otherwise. */
  loss?: CallPlan;
  targets?: Float32Array;
  /** Plain gradient descent unless said otherwise. */
  optimizer?: CallPlan;
}

const PLAIN_DESCENT: CallPlan = { name: 'sgd', arguments: { rate: 0.1, momentum: 0, nesterov: false } };

/** A loss with outputs and targets that it is meant for. */
function lossNet(name: string, given: CallPlan['arguments']): Net {
  const yesOrNo = ['binaryCrossEntropy', 'hinge', 'squaredHinge'].includes(name);
  const ofClasses = ['crossEntropy', 'klDivergence', 'categoricalHinge'].includes(name);
  const [units, targets] = yesOrNo
    ? [1, Float32Array.of(0, 1, 1)]
    : [3, ofClasses ? Float32Array.of(1, 0, 0, 0, 0, 1, 0, 1, 0) : Float32Array.of(2, 1, 3, 0, 1, 2, 4, 1, 2)];
  const ends: Record<string, string> = {
    binaryCrossEntropy: 'sigmoid',
    crossEntropy: 'softmax',
    klDivergence: 'softmax',
    poisson: 'softplus',
  };
  const layers: LayerWord[] = [
    ['dense', { units: 4, activation: 'tanh' }],
    ['dense', { units, activation: ends[name] ?? 'linear' }],
  ];
  return { name: `loss ${name}`, shape: [5], layers, loss: { name, arguments: given }, targets };
}

/** All of them in one row. */
export const NETS: readonly Net[] = [
  ...Object.entries(LAYER_NETS).flatMap(([layer, nets]) =>
    nets.map(([shape, layers], index) => ({ name: `${layer} ${index + 1}`, shape, layers })),
  ),
  { name: 'embedding 1', ...EMBEDDING_NET },
  ...Object.entries(LOSSES).map(([name, given]) => lossNet(name, given)),
  ...Object.entries(OPTIMIZERS).flatMap(([name, variants]) =>
    variants.map(
      (given, index): Net => ({
        name: `optimizer ${name} ${index + 1}`,
        shape: [5],
        layers: [
          ['dense', { units: 4, activation: 'tanh' }],
          ['dense', { units: 2 }],
        ],
        optimizer: { name, arguments: given },
      }),
    ),
  ),
];

export interface Trained {
  losses: number[];
  weights: number[];
  predictions: number[];
}

/** Three steps, the same on every engine but for the engine. */
export async function trainThreeSteps(engine: Engine, net: Net): Promise<Trained> {
  const { shape, layers } = net;
  const rows = 3;
  const plan = modelPlan(shape, layers);
  const width = product(plan.outputShape);
  const inputs = net.inputs ?? numbers(rows * product(shape), 5);
  const targets = net.targets ?? numbers(rows * width, 9);
  const model = await engine.build(plan, {
    seed: 3,
    loss: net.loss ?? { name: 'meanSquaredError', arguments: {} },
    optimizer: net.optimizer ?? PLAIN_DESCENT,
    targetWidth: width,
  });
  try {
    for (let step = 0; step < 3; step++) model.step(inputs, targets, rows);
    return {
      losses: [...(await model.losses())],
      weights: (await model.state()).weights.flatMap(({ values }) => [...values]),
      predictions: [...(await model.predict(inputs, rows))],
    };
  } finally {
    model.dispose();
  }
}

/** The largest difference, relative where numbers are large. */
export function distance(a: Trained, b: Trained): number {
  const left = [...a.losses, ...a.weights, ...a.predictions];
  const right = [...b.losses, ...b.weights, ...b.predictions];
  if (left.length !== right.length) return Number.POSITIVE_INFINITY;
  // NaN must not be lost in a maximum.
  return left.reduce((most, value, at) => {
    const other = right[at] ?? Number.NaN;
    const apart = Math.abs(value - other) / (1 + Math.abs(other));
    return Number.isNaN(apart) ? Number.POSITIVE_INFINITY : Math.max(most, apart);
  }, 0);
}

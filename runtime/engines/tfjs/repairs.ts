/** Faults of tfjs 4.22 that its back ends share, mended where they can be without touching its code. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { Core, Library } from './library.ts';

const repaired = new WeakSet<object>();

/** Mends them once. */
export function repair(core: Core): void {
  if (repaired.has(core)) return;
  repaired.add(core);
  averagePoolGradient(core);
  batchNormWithoutFactors(core);
}

interface PoolAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
}

/** TensorFlow's own kernel divides by what a window has. */
const RIGHT_BY_ITSELF: readonly string[] = ['tensorflow'];

/**
 * Forward, a window at the border is divided by the inputs that it has; backward, tfjs divides by the window's whole
 * size. The gradient is scaled by the quotient of the two before it goes back.
 */
function averagePoolGradient(core: Core): void {
  core.unregisterGradient('AvgPool');
  core.registerGradient({
    kernelName: 'AvgPool',
    inputsToSave: ['x'],
    gradFunc: (dy, saved, attributes) => {
      const x = saved[0] as Tensor4D; // what inputsToSave names
      const { filterSize, strides, pad } = attributes as unknown as PoolAttributes; // as AvgPoolAttrs declares them
      return {
        x: () => {
          const gradient = dy as Tensor4D; // one gradient, of the one output
          const scaled = RIGHT_BY_ITSELF.includes(core.getBackend())
            ? gradient
            : (core.mul(gradient, windowQuotients(core, x, { filterSize, strides, pad })) as Tensor4D);
          // The pool's gradient is not among the operations that tfjs exports.
          return core.engine().runKernel('AvgPoolGrad', { dy: scaled, input: x }, attributes as never) as Tensor;
        },
      };
    },
  });
}

/** [1, outHeight, outWidth, 1]: the window's size over how many inputs each window really has. */
function windowQuotients(core: Core, x: Tensor4D, { filterSize, strides, pad }: PoolAttributes): Tensor {
  const info = core.backend_util.computePool2DInfo(x.shape, filterSize, strides, 1, pad);
  const { outHeight, outWidth, filterHeight, filterWidth, inHeight, inWidth, strideHeight, strideWidth, padInfo } =
    info;
  const rows = covered(outHeight, filterHeight, strideHeight, padInfo.top, inHeight);
  const columns = covered(outWidth, filterWidth, strideWidth, padInfo.left, inWidth);
  const size = filterHeight * filterWidth;
  const quotients = rows.flatMap((height) => columns.map((width) => size / Math.max(1, height * width)));
  return core.tensor4d(quotients, [1, outHeight, outWidth, 1]);
}

/** How many of each window's places along one axis are inside the input. */
function covered(out: number, filter: number, stride: number, before: number, size: number): number[] {
  return Array.from({ length: out }, (_, index) => {
    const first = index * stride - before;
    return Math.min(size, first + filter) - Math.max(0, first);
  });
}

/**
 * The gradient of a batch normalisation looks at its scale and offset, and fails where one is left out (`scale: false`).
 * A scale of ones and an offset of zeros change nothing.
 */
function batchNormWithoutFactors(core: Core): void {
  const engine = core.engine();
  const run = engine.runKernel.bind(engine);
  engine.runKernel = ((name: string, inputs: Record<string, Tensor>, attributes) => {
    const { mean, scale, offset } = inputs;
    if (name !== 'FusedBatchNorm' || !mean || (scale && offset)) return run(name, inputs, attributes);
    const whole = { ...inputs, scale: scale ?? core.ones(mean.shape), offset: offset ?? core.zeros(mean.shape) };
    return run(name, whole, attributes);
  }) as typeof engine.runKernel;
}

/**
 * The orthogonal initialiser of tfjs fails where the methods of the whole `tfjs` package are missing, and makes its
 * numbers on the back end, so that engines start from different bits. This one makes them here: normal numbers, made
 * orthogonal by Gram–Schmidt, which is the Q of a QR decomposition whose R has a positive diagonal (Saxe et al. 2014).
 *
 * As in Keras the last axis are the columns and all others together the rows, so that a convolution's kernel is a matrix
 * too. A vector is a matrix of one row.
 */
export function repairOrthogonal({ core, layers }: Library): void {
  const prototype = Object.getPrototypeOf(layers.initializers.orthogonal({})) as {
    apply(shape: number[]): Tensor;
    gain: number;
  };
  prototype.apply = function (shape) {
    const columns = shape.at(-1) ?? 1;
    const rows = shape.slice(0, -1).reduce((total, size) => total * size, 1);
    const gain = this.gain ?? 1;
    const length = Math.max(rows, columns);
    const vectors = orthonormalVectors(Math.min(rows, columns), length);
    const values = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        const value = rows <= columns ? vectors[row]?.[column] : vectors[column]?.[row];
        values[row * columns + column] = gain * (value ?? 0);
      }
    }
    return core.tensor(values, shape);
  };
}

function orthonormalVectors(count: number, length: number): Float64Array[] {
  const vectors: Float64Array[] = [];
  while (vectors.length < count) {
    const vector = Float64Array.from({ length }, normalNumber);
    // Twice is enough to be orthogonal to rounding (Kahan; Giraud et al. 2005).
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors) {
        const along = dot(vector, other);
        for (let at = 0; at < length; at++) vector[at] = (vector[at] as number) - along * (other[at] as number); // equal lengths
      }
    }
    const norm = Math.sqrt(dot(vector, vector));
    if (norm > 1e-6) vectors.push(vector.map((value) => value / norm));
  }
  return vectors;
}

/** Box–Muller, from `Math.random`, which is the training's own stream here. */
function normalNumber(): number {
  return Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let at = 0; at < a.length; at++) sum += (a[at] as number) * (b[at] as number); // equal lengths
  return sum;
}

/** Faults of tfjs 4.22 that every back end has, mended where they can be without touching its code. */
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { Core } from './library.ts';

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
          const scaled = core.mul(gradient, windowQuotients(core, x, { filterSize, strides, pad })) as Tensor4D;
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

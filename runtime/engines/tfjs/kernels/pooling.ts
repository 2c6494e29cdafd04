/** Gradients of pooling, for the WASM back end. */
import type { Core } from '../library.ts';
import { allocate, type WasmKernel } from './wasm.ts';

interface PoolAttributes {
  filterSize: [number, number] | number;
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

/**
 * Each window's gradient goes to its greatest input, the first of them where there are several.
 *
 * The back end's own kernel starts its search at the smallest positive float and so loses the gradient of every window
 * without a positive value.
 */
export function maxPoolGradient(core: Core): WasmKernel<PoolAttributes> {
  return ({ inputs, attributes, backend }) => {
    const { dy, input } = inputs as { dy: Info; input: Info };
    const { filterSize, strides, pad, dimRoundingMode } = attributes;
    const shape = input.shape as [number, number, number, number];
    const window = core.backend_util.computePool2DInfo(shape, filterSize, strides, 1, pad, dimRoundingMode);
    const output = allocate(backend, input.shape);
    const result = backend.typedArrayFromHeap(output).fill(0);
    const values = backend.typedArrayFromHeap(input);
    const gradient = backend.typedArrayFromHeap(dy);
    const { inHeight, inWidth, outHeight, outWidth, inChannels: channels, batchSize } = window;
    const {
      effectiveFilterHeight: filterHeight,
      effectiveFilterWidth: filterWidth,
      strideHeight,
      strideWidth,
    } = window;
    const { top, left } = window.padInfo;
    let from = 0;
    for (let row = 0; row < batchSize; row++) {
      for (let outY = 0; outY < outHeight; outY++) {
        const firstY = Math.max(0, outY * strideHeight - top);
        const endY = Math.min(inHeight, outY * strideHeight - top + filterHeight);
        for (let outX = 0; outX < outWidth; outX++) {
          const firstX = Math.max(0, outX * strideWidth - left);
          const endX = Math.min(inWidth, outX * strideWidth - left + filterWidth);
          for (let channel = 0; channel < channels; channel++, from++) {
            let best = -1;
            let most = Number.NEGATIVE_INFINITY;
            for (let y = firstY; y < endY; y++) {
              let at = ((row * inHeight + y) * inWidth + firstX) * channels + channel;
              for (let x = firstX; x < endX; x++, at += channels) {
                const value = values[at] as number; // inside the input by the bounds above
                if (value > most || best < 0) {
                  most = value;
                  best = at;
                }
              }
            }
            if (best >= 0) (result[best] as number) += gradient[from] as number;
          }
        }
      }
    }
    return output;
  };
}

interface Info {
  dataId: object;
  shape: number[];
  dtype: 'float32';
}

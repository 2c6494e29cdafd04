/** Gradients of depthwise convolution, for the WASM back end, which has no kernels for them. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Core } from '../library.ts';
import { allocate, type WasmKernel } from './wasm.ts';

interface DepthwiseAttributes {
  strides: [number, number] | number;
  dilations: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4 = [number, number, number, number];

/** dL/dw[tap, channel, m] = Σ over rows and positions of x[channel] · dy[channel · multiplier + m]. */
export function depthwiseFilterGradient(core: Core): WasmKernel<DepthwiseAttributes & { filterShape: Shape4 }> {
  return ({ inputs, attributes, backend }) => {
    const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
    const info = depthwise(core, x.shape as Shape4, attributes.filterShape, attributes);
    const output = allocate(backend, info.filterShape);
    const result = backend.typedArrayFromHeap(output).fill(0);
    const values = backend.typedArrayFromHeap(x);
    const gradient = backend.typedArrayFromHeap(dy);
    const channels = info.inChannels;
    const multiplier = info.outChannels / channels;
    forEachTap(info, (input, out, tap) => {
      for (let channel = 0; channel < channels; channel++) {
        const value = values[input + channel] as number; // forEachTap stays inside the input
        const offset = channel * multiplier;
        for (let m = offset; m < offset + multiplier; m++) {
          (result[tap + m] as number) += value * (gradient[out + m] as number);
        }
      }
    });
    return output;
  };
}

/** dL/dx[channel] = Σ over the taps that saw it of w[tap, channel, m] · dy[channel · multiplier + m]. */
export function depthwiseInputGradient(core: Core): WasmKernel<DepthwiseAttributes & { inputShape: Shape4 }> {
  return ({ inputs, attributes, backend }) => {
    const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
    const info = depthwise(core, attributes.inputShape, filter.shape as Shape4, attributes);
    const output = allocate(backend, info.inShape);
    const result = backend.typedArrayFromHeap(output).fill(0);
    const weights = backend.typedArrayFromHeap(filter);
    const gradient = backend.typedArrayFromHeap(dy);
    const channels = info.inChannels;
    const multiplier = info.outChannels / channels;
    forEachTap(info, (input, out, tap) => {
      for (let channel = 0; channel < channels; channel++) {
        const offset = channel * multiplier;
        let sum = 0;
        for (let m = offset; m < offset + multiplier; m++) {
          sum += (weights[tap + m] as number) * (gradient[out + m] as number);
        }
        (result[input + channel] as number) += sum;
      }
    });
    return output;
  };
}

function depthwise(core: Core, input: Shape4, filter: Shape4, attributes: DepthwiseAttributes) {
  const { strides, dilations, pad, dimRoundingMode } = attributes;
  return core.backend_util.computeConv2DInfo(input, filter, strides, dilations, pad, dimRoundingMode, true);
}

/** Calls `visit` with the offsets of the input's, the output's and the filter's first channel, for each tap in the picture. */
function forEachTap(
  info: ReturnType<typeof depthwise>,
  visit: (input: number, output: number, tap: number) => void,
): void {
  const { batchSize, inHeight, inWidth, inChannels, outHeight, outWidth, outChannels, padInfo } = info;
  const { filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = info;
  let output = 0;
  for (let row = 0; row < batchSize; row++) {
    for (let outY = 0; outY < outHeight; outY++) {
      for (let outX = 0; outX < outWidth; outX++, output += outChannels) {
        for (let tapY = 0; tapY < filterHeight; tapY++) {
          const y = outY * strideHeight + tapY * dilationHeight - padInfo.top;
          if (y < 0 || y >= inHeight) continue;
          for (let tapX = 0; tapX < filterWidth; tapX++) {
            const x = outX * strideWidth + tapX * dilationWidth - padInfo.left;
            if (x < 0 || x >= inWidth) continue;
            const input = ((row * inHeight + y) * inWidth + x) * inChannels;
            visit(input, output, (tapY * filterWidth + tapX) * outChannels);
          }
        }
      }
    }
  }
}

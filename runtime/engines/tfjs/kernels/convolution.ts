/** Gradients of two-dimensional convolution, for the WASM back end, which has no kernel for the filter's. */
import type { Tensor4D, TensorInfo } from '@tensorflow/tfjs-core';
import type { Core } from '../library.ts';
import { asTensor, type WasmKernel } from './wasm.ts';

interface ConvolutionAttributes {
  strides: [number, number] | number;
  pad: 'valid' | 'same' | number;
  dataFormat: 'NHWC' | 'NCHW';
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4 = [number, number, number, number];

/**
 * dL/dw as one matrix product: the input's patches, one row a tap and channel (im2col), times the output's gradient.
 * Patches are gathered from the input laid out channels first, so that each is a plain slice.
 */
export function filterGradient(core: Core): WasmKernel<ConvolutionAttributes & { filterShape: Shape4 }> {
  return ({ inputs, attributes }) =>
    core.tidy(() => {
      const { x, dy } = inputs as { x: TensorInfo; dy: TensorInfo };
      const { filterShape } = attributes;
      const info = convolution(core, x.shape as Shape4, filterShape, attributes);
      const { filterHeight, filterWidth, inChannels, outChannels, outHeight, outWidth, batchSize } = info;
      const { strideHeight, strideWidth, padInfo } = info;
      const positions = batchSize * outHeight * outWidth;
      let channelsFirst = core.transpose(asTensor(core, x) as Tensor4D, [3, 0, 1, 2]);
      if (padInfo.top || padInfo.bottom || padInfo.left || padInfo.right) {
        channelsFirst = core.pad(channelsFirst, [
          [0, 0],
          [0, 0],
          [padInfo.top, padInfo.bottom],
          [padInfo.left, padInfo.right],
        ]);
      }
      const taps = [];
      for (let y = 0; y < filterHeight; y++) {
        for (let column = 0; column < filterWidth; column++) {
          const begin = [0, 0, y, column];
          const tap =
            strideHeight === 1 && strideWidth === 1
              ? core.slice(channelsFirst, begin, [inChannels, batchSize, outHeight, outWidth])
              : core.stridedSlice(
                  channelsFirst,
                  begin,
                  [
                    inChannels,
                    batchSize,
                    y + (outHeight - 1) * strideHeight + 1,
                    column + (outWidth - 1) * strideWidth + 1,
                  ],
                  [1, 1, strideHeight, strideWidth],
                );
          taps.push(core.reshape(tap, [inChannels, positions]));
        }
      }
      const patches = core.concat(taps, 0);
      const gradient = core.reshape(asTensor(core, dy), [positions, outChannels]);
      return core.reshape(core.matMul(patches, gradient), filterShape);
    });
}

/**
 * dL/dx. With stride 1 it is a convolution of the gradient with the filter turned by 180°, which XNNPACK does; with
 * other strides a matrix product whose columns are added back to where they came from (col2im).
 */
export function inputGradient(core: Core): WasmKernel<ConvolutionAttributes & { inputShape: Shape4 }> {
  return ({ inputs, attributes, backend }) =>
    core.tidy(() => {
      const { dy, filter } = inputs as { dy: TensorInfo; filter: TensorInfo };
      const { inputShape } = attributes;
      const info = convolution(core, inputShape, filter.shape as Shape4, attributes);
      const { filterHeight, filterWidth, inChannels, outChannels, inHeight, inWidth, outHeight, outWidth } = info;
      const { strideHeight, strideWidth, batchSize, padInfo } = info;
      const gradient = asTensor(core, dy) as Tensor4D;
      const weights = asTensor(core, filter) as Tensor4D;
      if (strideHeight === 1 && strideWidth === 1) {
        const top = filterHeight - 1 - padInfo.top;
        const left = filterWidth - 1 - padInfo.left;
        const bottom = inHeight - outHeight + filterHeight - 1 - top;
        const right = inWidth - outWidth + filterWidth - 1 - left;
        if (top >= 0 && left >= 0 && bottom >= 0 && right >= 0) {
          const turned = core.transpose(core.reverse(weights, [0, 1]), [0, 1, 3, 2]);
          return core.conv2d(gradient, turned, 1, [
            [0, 0],
            [top, bottom],
            [left, right],
            [0, 0],
          ]);
        }
      }
      const positions = batchSize * outHeight * outWidth;
      const width = filterHeight * filterWidth * inChannels;
      const columns = core.matMul(
        core.reshape(gradient, [positions, outChannels]),
        core.reshape(weights, [width, outChannels]),
        false,
        true,
      );
      const output = core.zeros(inputShape);
      const result = backend.typedArrayFromHeap(output);
      const values = backend.typedArrayFromHeap(columns);
      let from = 0;
      for (let row = 0; row < batchSize; row++) {
        for (let outY = 0; outY < outHeight; outY++) {
          for (let outX = 0; outX < outWidth; outX++) {
            for (let tapY = 0; tapY < filterHeight; tapY++) {
              const y = outY * strideHeight + tapY - padInfo.top;
              for (let tapX = 0; tapX < filterWidth; tapX++, from += inChannels) {
                const x = outX * strideWidth + tapX - padInfo.left;
                if (y < 0 || y >= inHeight || x < 0 || x >= inWidth) continue;
                const to = ((row * inHeight + y) * inWidth + x) * inChannels;
                for (let channel = 0; channel < inChannels; channel++) {
                  (result[to + channel] as number) += values[from + channel] as number;
                }
              }
            }
          }
        }
      }
      return output;
    });
}

function convolution(core: Core, input: Shape4, filter: Shape4, attributes: ConvolutionAttributes) {
  const { strides, pad, dimRoundingMode, dataFormat } = attributes;
  const format = core.backend_util.convertConv2DDataFormat(dataFormat);
  return core.backend_util.computeConv2DInfo(input, filter, strides, 1, pad, dimRoundingMode, false, format);
}

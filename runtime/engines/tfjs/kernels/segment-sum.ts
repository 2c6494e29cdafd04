/** The gradient of `gather`, and so of `embedding`. The WASM back end has no kernel for it. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { allocate, product, type WasmKernel } from './wasm.ts';

/** Adds the rows of `x` that share a segment. Rows of a segment outside 0 … n − 1 are left out, as in TensorFlow. */
export const unsortedSegmentSum: WasmKernel<{ numSegments: number }> = ({ inputs, attributes, backend }) => {
  const { x, segmentIds } = inputs as { x: TensorInfo; segmentIds: TensorInfo };
  const inner = x.shape.slice(segmentIds.shape.length);
  const size = product(inner);
  const output = allocate(backend, [attributes.numSegments, ...inner]);
  const result = backend.typedArrayFromHeap(output).fill(0);
  const values = backend.typedArrayFromHeap(x);
  const segments = backend.typedArrayFromHeap(segmentIds);
  for (let row = 0, from = 0; row < segments.length; row++, from += size) {
    const segment = segments[row] as number; // row < segments.length
    if (segment < 0 || segment >= attributes.numSegments) continue;
    const to = segment * size;
    for (let offset = 0; offset < size; offset++) (result[to + offset] as number) += values[from + offset] as number;
  }
  return output;
};

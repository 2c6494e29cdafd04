/**
 * Matrix products with a transposed operand: every gradient of a dense layer is one. The back end hands plain products
 * to XNNPACK and transposed ones to a scalar loop that is some twenty times slower, so the operand is turned first.
 */
import type { KernelFunc, TensorInfo } from '@tensorflow/tfjs-core';
import type { Core } from '../library.ts';
import { kernelFunction, type WasmBackend, type WasmKernel } from './wasm.ts';

interface ProductAttributes {
  transposeA: boolean;
  transposeB: boolean;
}

/** Wraps the kernel that is registered for `name`: `BatchMatMul` or `_FusedMatMul`. */
export function productWithTurnedOperands(core: Core, name: string): WasmKernel<ProductAttributes> {
  const plain = kernelFunction(core, name);
  const transpose = kernelFunction(core, 'Transpose');
  return ({ inputs, attributes, backend }) => {
    const { transposeA, transposeB } = attributes;
    const call = (operands: Record<string, TensorInfo>, attrs: ProductAttributes): TensorInfo =>
      // The back end's own kernel takes what tfjs gave to this one, and returns one tensor.
      plain({ inputs: operands, attrs: attrs as never, backend: backend as never }) as TensorInfo;
    if (!transposeA && !transposeB) return call(inputs, attributes);
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const turnedA = transposeA ? turned(transpose, a, backend) : undefined;
    const turnedB = transposeB ? turned(transpose, b, backend) : undefined;
    const output = call(
      { ...inputs, a: turnedA ?? a, b: turnedB ?? b },
      { ...attributes, transposeA: false, transposeB: false },
    );
    for (const temporary of [turnedA, turnedB]) if (temporary) backend.disposeData(temporary.dataId);
    return output;
  };
}

/** The last two axes exchanged. */
function turned(transpose: KernelFunc, x: TensorInfo, backend: WasmBackend): TensorInfo {
  const perm = x.shape.map((_, axis) => axis);
  perm.push(...perm.splice(-2).reverse());
  return transpose({ inputs: { x }, attrs: { perm }, backend: backend as never }) as TensorInfo;
}

/** What an own kernel of the WASM back end works with: numbers lying in the heap of the WebAssembly module. */
import type { DataId, KernelFunc, Tensor, TensorInfo } from '@tensorflow/tfjs-core';
import type { Core } from '../library.ts';

/** The part of tfjs's WASM back end that own kernels use. */
export interface WasmBackend {
  makeOutput(shape: number[], dtype: 'float32' | 'int32'): TensorInfo;
  typedArrayFromHeap(info: TensorInfo): Float32Array;
  disposeData(id: DataId): boolean;
}

export interface KernelCall<Attributes> {
  inputs: Record<string, TensorInfo>;
  attributes: Attributes;
  backend: WasmBackend;
}

export type WasmKernel<Attributes> = (call: KernelCall<Attributes>) => TensorInfo;

/** Puts a kernel in the place of the back end's own, or where it has none. */
export function install<Attributes>(core: Core, name: string, kernel: WasmKernel<Attributes>): void {
  if (core.getKernel(name, 'wasm')) core.unregisterKernel(name, 'wasm');
  core.registerKernel({ kernelName: name, backendName: 'wasm', kernelFunc: asKernelFunction(kernel) });
}

export function asKernelFunction<Attributes>(kernel: WasmKernel<Attributes>): KernelFunc {
  return ({ inputs, attrs, backend }) =>
    kernel({
      inputs: inputs as Record<string, TensorInfo>,
      // tfjs passes to a kernel exactly the attributes that its kernel_names.d.ts declares for that name.
      attributes: attrs as unknown as Attributes,
      // The kernel is registered for the WASM back end alone, so this is one.
      backend: backend as unknown as WasmBackend,
    });
}

/** The kernel that is registered now. */
export function kernelFunction(core: Core, name: string): KernelFunc {
  const kernel = core.getKernel(name, 'wasm');
  if (!kernel) throw new Error(`The WASM back end has no kernel ${name}.`);
  return kernel.kernelFunc;
}

/**
 * A new tensor of zeros, as information and as numbers. The view is good until the next allocation: the heap moves when
 * it grows, so take all views after all allocations.
 */
export function allocate(backend: WasmBackend, shape: number[]): TensorInfo {
  return backend.makeOutput(shape, 'float32');
}

/** A tensor over the numbers of a kernel's input, for calling ordinary operations. */
export function asTensor(core: Core, info: TensorInfo): Tensor {
  return info instanceof core.Tensor ? info : core.engine().makeTensorFromTensorInfo(info);
}

export function product(sizes: readonly number[]): number {
  return sizes.reduce((total, size) => total * size, 1);
}

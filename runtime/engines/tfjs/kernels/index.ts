/**
 * The kernels that the WASM back end of tfjs 4.22 lacks for training, has wrong, or has slow. With them convolution,
 * embedding and depthwise models train there, and max-pooling trains rightly.
 */
import type { Core } from '../library.ts';
import { filterGradient, inputGradient } from './convolution.ts';
import { depthwiseFilterGradient, depthwiseInputGradient } from './depthwise.ts';
import { maxPoolGradient } from './pooling.ts';
import { productWithTurnedOperands } from './products.ts';
import { unsortedSegmentSum } from './segment-sum.ts';
import { install } from './wasm.ts';

const installed = new WeakSet<object>();

/** Installs them once. The back end must be registered. */
export function installWasmKernels(core: Core): void {
  if (installed.has(core)) return;
  installed.add(core);
  for (const name of ['BatchMatMul', '_FusedMatMul']) install(core, name, productWithTurnedOperands(core, name));
  install(core, 'Conv2DBackpropFilter', filterGradient(core));
  install(core, 'Conv2DBackpropInput', inputGradient(core));
  install(core, 'DepthwiseConv2dNativeBackpropFilter', depthwiseFilterGradient(core));
  install(core, 'DepthwiseConv2dNativeBackpropInput', depthwiseInputGradient(core));
  install(core, 'MaxPoolGrad', maxPoolGradient(core));
  install(core, 'UnsortedSegmentSum', unsortedSegmentSum);
}

/**
 * The switches that change TensorFlow's bits. TensorFlow reads them from the process's environment when its library is
 * opened; what the caller's environment says of them is never taken over, so that equal pipelines mean equal switches.
 */
import type { EnvironmentPlan, ResourcesPlan } from '../../../grammar/plan/plan.ts';
import type { Distribution } from './platform.ts';

export interface TensorflowSettings {
  distribution: Distribution;
  /** Threads within one operation. Sums are parted among them, so that another number gives other bits. */
  threads: number;
  /** Own sums of oneDNN, in an order of its own, in place of TensorFlow's. */
  oneDnn: boolean;
  /** Operations that have a faster way which does not repeat take the other one, or refuse. */
  deterministic: boolean;
}

/**
 * What an environment means for TensorFlow. The threads are those that are asked for, never those that a machine has: one
 * where nothing is said. Any number repeats, and each gives bits of its own.
 */
export function tensorflowSettings(
  environment: Pick<EnvironmentPlan, 'results' | 'hardware'> | undefined,
  resources: ResourcesPlan,
): TensorflowSettings {
  const repeatable = environment?.results === 'repeatable';
  const hardware = environment?.hardware;
  const gpu = hardware?.classes.includes('gpu') || (hardware?.gpus ?? 0) > 0 || (resources.gpus ?? 0) > 0;
  return {
    distribution: gpu ? 'gpu' : 'cpu',
    threads: Math.max(1, Math.floor(resources.cpus ?? hardware?.cpus ?? 1)),
    oneDnn: !repeatable,
    deterministic: repeatable,
  };
}

/** As part of a key. */
export function settingsIdentity(settings: TensorflowSettings): Record<string, string> {
  return {
    distribution: settings.distribution,
    threads: String(settings.threads),
    oneDnn: settings.oneDnn ? 'on' : 'off',
    deterministicOps: settings.deterministic ? 'on' : 'off',
  };
}

/** Variables by which TensorFlow and the libraries inside it can be told to compute otherwise. */
const FOREIGN = /^(TF|TFE|XLA|ONEDNN|DNNL|MKL|OMP|KMP|GOMP|EIGEN|CUDNN|CUBLAS|NVIDIA_TF32)_/;

/** What TensorFlow is to find, and nothing else of its kind. */
export function settingsVariables(settings: TensorflowSettings): Record<string, string> {
  const flag = (on: boolean): string => (on ? '1' : '0');
  return {
    // Warnings and notes of the library are no output of a step; its errors come back as errors.
    TF_CPP_MIN_LOG_LEVEL: '2',
    TF_NUM_INTRAOP_THREADS: String(settings.threads),
    // Operations are called one after the other, so more would only wait.
    TF_NUM_INTEROP_THREADS: '1',
    OMP_NUM_THREADS: String(settings.threads),
    TF_ENABLE_ONEDNN_OPTS: flag(settings.oneDnn),
    TF_DETERMINISTIC_OPS: flag(settings.deterministic),
    ...(settings.distribution === 'gpu'
      ? {
          TF_FORCE_GPU_ALLOW_GROWTH: 'true',
          TF_CUDNN_DETERMINISTIC: flag(settings.deterministic),
          // Products of ten bits of mantissa where 23 are written.
          NVIDIA_TF32_OVERRIDE: settings.deterministic ? '0' : '1',
          CUBLAS_WORKSPACE_CONFIG: ':4096:8',
        }
      : {}),
  };
}

/** Puts the switches into an environment in place of whatever it says of them. To be done before the library opens. */
export function applySettings(settings: TensorflowSettings, environment: NodeJS.ProcessEnv): void {
  for (const name of Object.keys(environment)) if (FOREIGN.test(name)) delete environment[name];
  Object.assign(environment, settingsVariables(settings));
}

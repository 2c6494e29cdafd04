/** The part of the façade that installs engines, reads them again and takes them away. */
import { join } from 'node:path';
import { worldOf } from './context.ts';
import {
  type InstalledTensorflow,
  listInstalled,
  removeInstalled,
  verifyInstalled,
} from './engines/tensorflow/installed.ts';
import type { Distribution } from './engines/tensorflow/platform.ts';
import { EXIT, MlpipeError } from './errors.ts';
import type { Project } from './project.ts';

/**
 * Fetches and unpacks a version of TensorFlow, where it is not there yet or not whole.
 *
 * @param options of them `project`: where that version may be retained
 * @throws MlpipeError as `provideTensorflow`
 */
export async function installTensorflow(
  version: string,
  distribution: Distribution,
  options: { onProgress?: (share: number) => void; signal?: AbortSignal; project?: Project } = {},
): Promise<{ folder: string }> {
  const [{ provideTensorflow }, { Retention }] = await Promise.all([
    import('./engines/tensorflow/provide.ts'),
    import('./environment/retained.ts'),
  ]);
  const { project, ...rest } = options;
  const { signal = new AbortController().signal } = rest;
  const retention =
    project &&
    new Retention(worldOf(project, { supply: true }).retained, {
      wanted: false,
      scratch: join(project.store.folder, 'runs'),
      signal,
      warn: project.tell,
    });
  return provideTensorflow(version, distribution, { ...rest, ...(retention ? { retention } : {}), thorough: true });
}

/** Reads every byte of an installed TensorFlow. @throws MlpipeError `engine-missing`, `engine-damaged` */
export async function verifyTensorflow(version: string, distribution: Distribution): Promise<void> {
  await verifyInstalled(installedTensorflow(version, distribution));
}

/** Takes a version of TensorFlow out of the user's cache. @throws MlpipeError `engine-missing` */
export function removeTensorflow(version: string, distribution: Distribution): void {
  removeInstalled(installedTensorflow(version, distribution));
}

function installedTensorflow(version: string, distribution: Distribution): InstalledTensorflow {
  const all = listInstalled();
  const found = all.find(({ manifest }) => manifest.version === version && manifest.distribution === distribution);
  if (found) return found;
  const versions = all.map(({ manifest }) => `${manifest.version} (${manifest.distribution})`);
  throw new MlpipeError(`TensorFlow ${version} (${distribution}) is not installed.`, {
    code: 'engine-missing',
    todo: versions.length === 0 ? 'No version is.' : `Installed: ${versions.join(', ')}.`,
    exit: EXIT.usage,
  });
}

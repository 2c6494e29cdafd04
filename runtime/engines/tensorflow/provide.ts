/** All that a training by TensorFlow needs, made to be there: the addon and the library. Neither is loaded here. */
import { ensureAddon } from './addon.ts';
import type { InstalledTensorflow } from './installed.ts';
import type { Distribution } from './platform.ts';
import { type ProvisionOptions, provisionTensorflow } from './provision/provision.ts';

/** @throws MlpipeError as `ensureAddon` and `provisionTensorflow` */
export async function provideTensorflow(
  version: string,
  distribution: Distribution,
  options: ProvisionOptions = {},
): Promise<InstalledTensorflow> {
  // First, as it takes seconds and the library minutes.
  await ensureAddon(options.environment);
  return provisionTensorflow(version, distribution, options);
}

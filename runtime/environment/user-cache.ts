/** Where what is provisioned lies: once a user, shared by all projects, and never the only copy of anything. */
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * `MLPIPE_CACHE` where it is set; otherwise what the system calls a user's cache, with a folder of our own.
 *
 * @param environment the process's variables
 */
export function userCache(
  environment: NodeJS.ProcessEnv = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const own = environment.MLPIPE_CACHE;
  if (own) return resolve(own);
  const home = homedir();
  if (platform === 'win32') return join(environment.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'mlpipe', 'Cache');
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'mlpipe');
  return join(environment.XDG_CACHE_HOME || join(home, '.cache'), 'mlpipe');
}

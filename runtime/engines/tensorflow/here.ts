/** What this machine is to TensorFlow. */

import { libc } from '../../environment/probe.ts';
import { MlpipeError } from '../../errors.ts';
import { type LibraryPlatform, libraryPlatform, type Possible } from './platform.ts';

export const libcHere = libc;

export function possibleHere(): Possible {
  return libraryPlatform(process.platform, process.arch, libc());
}

/** @throws MlpipeError `engine-impossible` */
export function platformHere(): LibraryPlatform {
  const here = possibleHere();
  if (here.possible) return here.on;
  throw new MlpipeError(`TensorFlow cannot train here: ${here.reason}`, {
    code: 'engine-impossible',
    todo: 'Train with another engine: `mlpipe engine list` says which can.',
    exit: 2,
  });
}

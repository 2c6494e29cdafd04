/** Lets two who are compared begin alike. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { totalmem } from 'node:os';
import { join } from 'node:path';
import type { Bytes } from '../../grammar/plan/plan.ts';

const ZEROS = Buffer.alloc(2 ** 22);

/**
 * Nothing waits for the disk, and memory for what comes is at hand. A virtual machine gives memory that has been free for
 * a while back to its host, and whoever takes it first writes at a tenth of the speed: one tool would find what the other
 * has just left.
 *
 * @param folder on the disk that is measured
 * @param bytes of what comes
 */
export function calm(folder: string, bytes: Bytes): void {
  execFileSync('sync');
  const path = join(folder, 'memory');
  const file = fs.openSync(path, 'w');
  const wanted = Math.min(1.5 * bytes, totalmem() / 2);
  for (let written = 0; written < wanted; written += ZEROS.length) fs.writeSync(file, ZEROS);
  fs.closeSync(file);
  fs.rmSync(path);
}

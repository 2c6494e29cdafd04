/** Tests sign with keys of their own, never with those of whoever runs them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

if (process.env.MLPIPE_CONFIG === undefined) {
  const folder = mkdtempSync(join(tmpdir(), 'mlpipe-config-'));
  process.env.MLPIPE_CONFIG = folder;
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
}

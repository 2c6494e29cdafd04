/** The oldest Node that mlpipe runs on, out of the registry, once a machine. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { testCacheFolder } from '../../harness/vscode-server.ts';

export const NODE_FLOOR = '22.14.0';

/** Path of its executable. */
export async function nodeFloor(): Promise<string> {
  const home = join(testCacheFolder(), `node-${NODE_FLOOR}`);
  const name = `node-${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;
  const program = join(home, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  if (fs.existsSync(program)) return program;
  fs.mkdirSync(testCacheFolder(), { recursive: true });
  const work = fs.mkdtempSync(join(testCacheFolder(), 'preparing-'));
  try {
    fs.writeFileSync(join(work, 'package.json'), '{}');
    const words = ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${name}@${NODE_FLOOR}`];
    await promisify(execFile)('npm', words, { cwd: work, shell: process.platform === 'win32' });
    // Whoever was faster has made the same.
    if (!fs.existsSync(home)) fs.renameSync(work, home);
  } finally {
    fs.rmSync(work, { recursive: true, force: true });
  }
  return program;
}

/**
 * A VS Code that needs no download but from the npm registry: the web server that lies inside the package
 * `code-server`, with the dependencies of that part alone. It is prepared once a machine, outside the repository.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';

const execute = promisify(execFile);

export const SERVER_PACKAGE = 'code-server@4.139.1';
/** Subresource integrity of the tarball, as the package's own lock entry would give it. */
const INTEGRITY = 'sha512-fUYvJVdz4ZoVJfakGiGWXFMpF8K1ObsrpGvX17ZxNpKOzdNHs7lANT670JTr4ZhA8DnWqyvvmFG/d3HV9Yy6ew==';
/** What another process may take to prepare the folder before it counts as dead. */
const ABANDONED_AFTER_MILLISECONDS = 30 * 60 * 1000;

export function testCacheFolder(): string {
  if (process.env.MLPIPE_TEST_CACHE) return process.env.MLPIPE_TEST_CACHE;
  const base = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  return join(base, 'mlpipe-test');
}

/**
 * The folder of a prepared VS Code server (it holds `out/server-main.js`).
 *
 * Everything happens in a temporary folder that is renamed into its place at the end: a preparation that was broken
 * off is never taken for a whole one, and of two at the same time the second takes the first one's result.
 */
export async function prepareVsCodeServer(say: (line: string) => void = () => {}): Promise<string> {
  const cache = testCacheFolder();
  const home = join(cache, SERVER_PACKAGE.replace('@', '-'));
  const server = join(home, 'server');
  if (existsSync(join(home, 'complete'))) return server;

  await mkdir(cache, { recursive: true });
  await removeAbandoned(cache);
  const work = await mkdtemp(join(cache, 'preparing-'));
  try {
    say(`Preparing VS Code for the editor tests (once): ${SERVER_PACKAGE} into ${cache}`);
    const tarball = await fetchTarball(cache, work);
    await mkdir(join(work, 'server'));
    await execute('tar', ['-xzf', tarball, '-C', join(work, 'server'), '--strip-components=3', 'package/lib/vscode']);
    // Its install scripts would build native modules; without them it lacks the terminal and speaks of that in its log.
    await npm(['install', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], join(work, 'server'));
    await writeFile(join(work, 'complete'), `${INTEGRITY}\n`);
    await rename(work, home).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
      if (existsSync(join(home, 'complete'))) return;
      // What lies there was made by hand or damaged: it has no mark of completion, so it is nobody's.
      await rm(home, { recursive: true, force: true });
      await rename(work, home);
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return server;
}

async function fetchTarball(cache: string, work: string): Promise<string> {
  const name = `${SERVER_PACKAGE.replace('@', '-')}.tgz`;
  const kept = join(cache, name);
  if (existsSync(kept) && (await integrityOf(kept)) === INTEGRITY) return kept;
  await npm(['pack', SERVER_PACKAGE, '--pack-destination', work], work);
  const fetched = join(work, name);
  const integrity = await integrityOf(fetched);
  if (integrity !== INTEGRITY) {
    throw new Error(
      `${SERVER_PACKAGE} came with the digest ${integrity}, expected ${INTEGRITY}. Ask the registry's keeper why.`,
    );
  }
  return fetched;
}

async function integrityOf(file: string): Promise<string> {
  return `sha512-${createHash('sha512')
    .update(await readFile(file))
    .digest('base64')}`;
}

async function npm(args: string[], cwd: string): Promise<void> {
  // The npm of this process's own environment; its chatter is shown only where it fails.
  await execute(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, {
    cwd,
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === 'win32',
  });
}

async function removeAbandoned(cache: string): Promise<void> {
  for (const name of await readdir(cache)) {
    if (!name.startsWith('preparing-')) continue;
    const folder = join(cache, name);
    const { mtimeMs } = await stat(folder).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > ABANDONED_AFTER_MILLISECONDS) await rm(folder, { recursive: true, force: true });
  }
}

/** The Chromium that shows the web VS Code: `$CHROMIUM`, else the first of the usual names on the path. */
export function findChromium(): string | undefined {
  const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/bin', '/usr/local/bin'];
  const candidates = [process.env.CHROMIUM, ...folders.flatMap((folder) => names.map((name) => join(folder, name)))];
  return candidates.find((file) => file !== undefined && file !== '' && dirname(file) !== '.' && existsSync(file));
}

/**
 * What grows: 100,000 files of 4 KiB, and one file of 8 GiB, from end to end: ingest, ask for the state, send to a
 * folder, take away, lay out again. Beside DVC, git-lfs, and what the machine does by itself (`sha256sum`, `cp`,
 * `sync`). Each does each once, one after the other, as all of it takes minutes. What mlpipe and `cp` with `sync` answer
 * for is on the disk; DVC and git-lfs do not promise that.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import type { Bytes } from '../../grammar/plan/plan.ts';
import type { openStore } from '../../runtime/store/open.ts';
import type { openFolder } from '../../runtime/store/remotes/drivers/folder.ts';
import type { send } from '../remotes/support.ts';
import { calm } from './calm.ts';
import { type Dvc, installDvc, installGitLfs, machinePeer } from './peers.ts';
import { metric, missing } from './report.ts';

const FILES = Number(process.env.MLPIPE_BENCH_FILES ?? 100_000);
const SMALL = 4096;
const LARGE = Number(process.env.MLPIPE_BENCH_BYTES ?? 2 ** 33);

/** Only where the other file has its full size. */
const HOLLOW = Math.min(1e11, LARGE * 12);

const STAGES = ['ingest', 'state', 'push', 'lay out'] as const;
type Stage = (typeof STAGES)[number];
/** Before any of these, `data` is there as it was made, but for `lay out`, before which it is gone. */
type Tool = Record<Stage, () => unknown> & { prepare?: () => unknown };

interface Mlpipe {
  openStore: typeof openStore;
  openFolder: typeof openFolder;
  send: typeof send;
}

async function bench(): Promise<void> {
  const folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-bench-'));
  try {
    machinePeer('sha256sum');
    const mlpipe = await bundled(folder);
    const dvc = installDvc();
    const lfs = installGitLfs();
    const tools = (place: string): Record<string, Tool> => ({
      mlpipe: mlpipeTool(place, mlpipe),
      'sha256sum, cp and sync': machineTool(place),
      ...(dvc ? { DVC: dvcTool(place, dvc) } : {}),
      ...(lfs === undefined ? {} : { 'git-lfs': lfsTool(place, lfs) }),
    });
    const rate = (milliseconds: number) => FILES / (milliseconds / 1000);
    const many = join(folder, 'many');
    makeFiles(many);
    await compare(`${FILES.toLocaleString('en-US')} files`, many, FILES * SMALL, tools, rate, 'files/s');
    fs.rmSync(many, { recursive: true });
    const large = join(folder, 'large');
    makeLarge(large);
    const speed = (milliseconds: number) => LARGE / 1e6 / milliseconds;
    await compare(`${LARGE / 2 ** 30} GiB`, large, LARGE, tools, speed, 'GB/s');
    fs.rmSync(large);
    await hollow(folder, mlpipe);
    await manyMore(folder, mlpipe);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** What no disk here could hold twice: its length is read and hashed, its holes take no room. */
async function hollow(folder: string, { openStore }: Mlpipe): Promise<void> {
  const [path, bytes] = [join(folder, 'hollow'), HOLLOW];
  const file = fs.openSync(path, 'w');
  for (let at = 0; at < bytes; at += 2 ** 30) fs.writeSync(file, randomBytes(4096), 0, 4096, at);
  fs.ftruncateSync(file, bytes);
  fs.closeSync(file);
  const store = openStore(join(folder, 'hollow-store'));
  let began = performance.now();
  const { digest } = await store.put(path);
  metric(`${bytes / 1e9} GB with holes, ingest`, bytes / 1e6 / (performance.now() - began), 'GB/s');
  began = performance.now();
  if ((await store.digest(path)).digest !== digest) throw new Error('It is not what was stored.');
  metric(`${bytes / 1e9} GB with holes, state`, performance.now() - began, 'ms');
  metric(`${bytes / 1e9} GB with holes, memory of the process`, process.memoryUsage().rss / 2 ** 20, 'MiB');
}

/** Ten times as many, which would take the others hours. */
async function manyMore(folder: string, { openStore }: Mlpipe): Promise<void> {
  const count = FILES * 10;
  const what = `${count.toLocaleString('en-US')} files`;
  const data = join(folder, 'many-more');
  makeFiles(data, count);
  calm(folder, count * SMALL);
  const store = openStore(join(folder, 'many-more-store'));
  const digests = new Set<string>();
  for (const [name, work] of [
    ['ingest', () => store.put(data)],
    ['ingest again, unchanged', () => store.put(data)],
    ['state', () => store.digest(data)],
  ] as const) {
    const began = performance.now();
    digests.add((await work()).digest);
    metric(`${what}, ${name}`, count / ((performance.now() - began) / 1000), 'files/s');
  }
  store.close();
  if (digests.size !== 1) throw new Error('It is not what was stored.');
  metric(`${what}, most memory of the process`, process.resourceUsage().maxRSS / 2 ** 10, 'MiB');
}

async function compare(
  what: string,
  source: string,
  bytes: Bytes,
  tools: (place: string) => Record<string, Tool>,
  unitsOf: (milliseconds: number) => number,
  unit: string,
): Promise<void> {
  const times = new Map<string, Partial<Record<Stage, number>>>();
  for (const name of Object.keys(tools(''))) {
    const place = `${source}-place`;
    fs.mkdirSync(place);
    const data = join(place, 'data');
    shell(`cp -r ${source} ${data}`);
    const tool = tools(place)[name];
    if (!tool) continue;
    await tool.prepare?.();
    const took: Partial<Record<Stage, number>> = {};
    for (const stage of STAGES) {
      if (stage === 'lay out') fs.rmSync(data, { recursive: true });
      calm(place, bytes);
      const began = performance.now();
      try {
        await tool[stage]();
      } catch (error) {
        // One that cannot do it is no reason to measure nothing.
        missing(
          `${what}, ${stage}, ${name}`,
          error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error),
        );
        break;
      }
      const time = performance.now() - began;
      took[stage] = time;
      metric(`${what}, ${stage}, ${name}`, unitsOf(time), unit);
    }
    if (took['lay out'] !== undefined) shell(`diff -rq ${source} ${data}`);
    times.set(name, took);
    fs.rmSync(place, { recursive: true, force: true });
  }
  const own = times.get('mlpipe');
  if (!own) return;
  for (const [name, took] of times) {
    if (name === 'mlpipe') continue;
    const promised = { DVC: '≤ 0.1 x', 'sha256sum, cp and sync': '≤ 1.3 x' }[name];
    for (const stage of STAGES) {
      const [mine, theirs] = [own[stage], took[stage]];
      if (mine === undefined || theirs === undefined) continue;
      const target = stage === 'ingest' && (name === 'DVC') === what.includes('files') ? promised : undefined;
      metric(`${what}, ${stage}, mlpipe's time against ${name}`, mine / theirs, 'x', target);
    }
  }
}

function mlpipeTool(place: string, { openStore, openFolder, send }: Mlpipe): Tool {
  const data = join(place, 'data');
  const open = () => openStore(join(place, '.mlpipe'));
  let digest: `sha256:${string}` = 'sha256:';
  return {
    prepare: open,
    ingest: async () => {
      digest = (await open().put(data)).digest;
    },
    state: async () => {
      const now = await open().digest(data);
      if (now.digest !== digest) throw new Error('It is not what was stored.');
    },
    push: async () => {
      const driver = openFolder(join(place, 'remote'));
      await send(open(), [digest], driver);
      await driver.close();
    },
    'lay out': () => open().checkout(digest, data, { writable: true }),
  };
}

function machineTool(place: string): Tool {
  const [data, copy, remote] = [join(place, 'data'), join(place, 'copy'), join(place, 'remote')];
  const sum = () => shell(`find ${data} -type f -print0 | xargs -0 sha256sum`);
  return {
    ingest: () => {
      sum();
      shell(`cp -r ${data} ${copy} && sync -f ${copy}`);
    },
    state: sum,
    push: () => shell(`cp -r ${copy} ${remote} && sync -f ${remote}`),
    'lay out': () => shell(`cp -r ${copy} ${data}`),
  };
}

function dvcTool(place: string, dvc: Dvc): Tool {
  const run = (...words: string[]) =>
    execFileSync(dvc.program, words, {
      cwd: place,
      env: { ...process.env, ...dvc.environment },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  return {
    prepare: () => {
      run('init', '-q', '--no-scm');
      run('remote', 'add', '-q', '-d', 'shared', join(place, 'remote'));
    },
    ingest: () => run('add', '-q', 'data'),
    state: () => run('status', '-q'),
    push: () => run('push', '-q'),
    'lay out': () => run('checkout', '-q'),
  };
}

function lfsTool(place: string, program: string): Tool {
  const git = (...words: string[]) =>
    // Git would tidy up behind the scenes, and the push then miss what it has just packed.
    execFileSync('git', ['-c', 'gc.auto=0', '-c', 'user.name=bench', '-c', 'user.email=bench@example.org', ...words], {
      cwd: place,
      env: { ...process.env, PATH: `${join(program, '..')}:${process.env.PATH}`, GIT_CONFIG_NOSYSTEM: '1' },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  return {
    prepare: () => {
      fs.writeFileSync(join(place, '.gitattributes'), 'data filter=lfs -text\ndata/** filter=lfs -text\n');
      git('init', '-q', '-b', 'main');
      git('lfs', 'install', '--local');
      git('init', '-q', '--bare', join(place, 'remote'));
      git('remote', 'add', 'origin', `file://${join(place, 'remote')}`);
    },
    ingest: () => {
      git('add', '.gitattributes', 'data');
      git('commit', '-q', '-m', 'data');
    },
    state: () => git('status', '--porcelain'),
    push: () => git('push', '-q', 'origin', 'main'),
    'lay out': () => git('checkout', '-q', '--', 'data'),
  };
}

/** As it ships: a thread then starts at once and compiles nothing. */
async function bundled(folder: string): Promise<Mlpipe> {
  const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const common = { bundle: true, platform: 'node', target: 'node22', minify: true, logLevel: 'error' } as const;
  const entry = join(folder, 'mlpipe.mjs');
  const contents = `
    import { createRequire } from 'node:module';
    globalThis.require ??= createRequire(import.meta.url);
    export { openStore } from ${JSON.stringify(at('runtime/store/open.ts'))};
    export { openFolder } from ${JSON.stringify(at('runtime/store/remotes/drivers/folder.ts'))};
    export { send } from ${JSON.stringify(at('test/remotes/support.ts'))};`;
  await build({
    ...common,
    stdin: { contents, resolveDir: at('.'), loader: 'ts' },
    outfile: entry,
    format: 'esm',
    packages: 'external',
  });
  const worker = join(folder, 'store-worker.cjs');
  await build({ ...common, entryPoints: [at('runtime/store/worker.ts')], outfile: worker, format: 'cjs' });
  // What is not bundled is found where the project has it.
  fs.symlinkSync(at('node_modules'), join(folder, 'node_modules'));
  return (await import(pathToFileURL(entry).href)) as Mlpipe;
}

function makeFiles(folder: string, count = FILES): void {
  for (let index = 0; index < count; index += 1) {
    const parent = join(folder, String(Math.floor(index / 1000)));
    if (index % 1000 === 0) fs.mkdirSync(parent, { recursive: true });
    fs.writeFileSync(join(parent, `${index}.bin`), randomBytes(SMALL));
  }
}

function makeLarge(path: string): void {
  const file = fs.openSync(path, 'w');
  // Different throughout, as a disk may store equal blocks once.
  for (let written = 0; written < LARGE; written += 2 ** 24) fs.writeSync(file, randomBytes(2 ** 24));
  fs.fsyncSync(file);
  fs.closeSync(file);
}

function shell(command: string): void {
  const { status, error } = spawnSync('sh', ['-c', command], { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw error ?? new Error(`${command} ended with ${status}.`);
}

if (import.meta.main) await bench();

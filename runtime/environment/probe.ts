/** What this machine is and has: looked at cheaply, once a process. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import type { MachineFact } from '../../grammar/rules/facts.ts';

export interface ProbeOptions {
  /** Folders to look into before the search path, for example a project's `node_modules/.bin`. */
  before?: readonly string[];
  /** Without it no program is started: only this process's own Node is known. */
  execute?: boolean;
}

/** Looks at the machine. Never fails: what cannot be told is left out. */
export async function probe(options: ProbeOptions = {}): Promise<MachineFact> {
  const execute = options.execute ?? true;
  const interpreters: MachineFact['interpreters'] = [
    { language: 'node', version: process.versions.node, path: process.execPath },
  ];
  if (execute) {
    for (const found of await interpretersOnPath(options.before ?? [])) {
      if (!interpreters.some(({ path }) => path === found.path)) interpreters.push(found);
    }
  }
  return {
    platform: process.platform,
    architecture: process.arch,
    cpus: availableParallelism(),
    memory: totalmem(),
    gpus: gpus(),
    node: process.versions.node,
    interpreters,
  };
}

/** Every `node` and `python` on the search path that says which version it is. */
async function interpretersOnPath(before: readonly string[]): Promise<MachineFact['interpreters']> {
  const folders = [...new Set([...before, ...(process.env.PATH ?? '').split(delimiter)])].filter(
    (folder) => folder !== '',
  );
  const candidates = folders.flatMap((folder) =>
    (['node', 'python3', 'python'] as const).map((name) => ({
      language: name === 'node' ? ('node' as const) : ('python' as const),
      path: join(folder, process.platform === 'win32' ? `${name}.exe` : name),
    })),
  );
  const present = candidates.filter(({ path }) => fs.existsSync(path));
  const answered = await Promise.all(present.map(async (each) => ({ ...each, version: await versionOf(each.path) })));
  return answered.flatMap(({ language, path, version }) =>
    version === undefined ? [] : [{ language, path, version }],
  );
}

function versionOf(program: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(program, ['--version'], { timeout: 5000, windowsHide: true }, (error, stdout, stderr) => {
      resolve(error ? undefined : /\d+\.\d+\.\d+\S*/.exec(`${stdout}${stderr}`)?.[0]);
    });
  });
}

/** By the devices that the drivers make; no driver is loaded to ask. */
function gpus(): string[] {
  try {
    return fs.readdirSync('/proc/driver/nvidia/gpus').map((name) => {
      const information = fs.readFileSync(join('/proc/driver/nvidia/gpus', name, 'information'), 'utf8');
      return /Model:\s*(.+)/.exec(information)?.[1]?.trim() ?? name;
    });
  } catch {
    // No such driver here.
    return [];
  }
}

/** Good to know about a run, and determining nothing that the identity does not. */
export function evidence(): Record<string, unknown> {
  const report = process.report?.getReport?.() as { header?: { glibcVersionRuntime?: string } } | undefined;
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cpus: availableParallelism(),
    memory: totalmem(),
    node: process.versions.node,
    v8: process.versions.v8,
    gpus: gpus(),
    ...(report?.header?.glibcVersionRuntime ? { glibc: report.header.glibcVersionRuntime } : {}),
    container: fs.existsSync('/.dockerenv') || fs.existsSync('/run/.containerenv'),
  };
}

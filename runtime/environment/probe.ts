/** What this machine is and has: looked at cheaply, once a process. */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { delimiter, join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
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
  const { flags, ...cpu } = processor();
  return {
    cpu: cpu.model,
    cpuFlags: digestOf([...flags].sort().join(' ')),
    cpuClass: hardwareClass(flags),
    cpus: availableParallelism(),
    memory: totalmem(),
    kernel: release(),
    node: process.versions.node,
    v8: process.versions.v8,
    gpus: gpus(),
    libc: libc(),
    container: isContainer(),
  };
}

/**
 * What results that must be the same bits depend on beyond the platform: which instructions the processor has, which
 * graphics processors there are, and whose mathematics library is called.
 */
export function hardwareIdentity(): Record<string, unknown> {
  return { cpuClass: hardwareClass(processor().flags), gpus: gpus(), libc: libc() };
}

function processor(): { model: string; flags: ReadonlySet<string> } {
  let flags: string[] = [];
  try {
    const information = fs.readFileSync('/proc/cpuinfo', 'utf8');
    flags = (/^(?:flags|Features)\s*:\s*(.*)$/m.exec(information)?.[1] ?? '').split(' ').filter((flag) => flag !== '');
  } catch {
    // Not Linux: the architecture alone is told.
  }
  return { model: cpus()[0]?.model ?? 'unknown', flags: new Set(flags) };
}

/** The levels of the x86-64 psABI, each of which includes those before it. */
const LEVELS: [string, string[]][] = [
  ['x86-64-v2', ['cx16', 'lahf_lm', 'popcnt', 'sse4_1', 'sse4_2', 'ssse3']],
  ['x86-64-v3', ['avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'abm', 'movbe']],
  ['x86-64-v4', ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl']],
];

/** A processor's class: two of the same class have the vector instructions that libraries choose their code by. */
export function hardwareClass(flags: ReadonlySet<string>, architecture: string = process.arch): string {
  if (architecture !== 'x64' || flags.size === 0) return architecture;
  let level = 'x86-64-v1';
  for (const [name, needs] of LEVELS) {
    if (!needs.every((flag) => flags.has(flag))) break;
    level = name;
  }
  return level;
}

let knownLibc: string | undefined;

/** `glibc 2.36`, `musl`, or the name of a system that has but one. */
export function libc(): string {
  knownLibc ??= findLibc();
  return knownLibc;
}

function findLibc(): string {
  if (process.platform !== 'linux') return process.platform;
  // A report would otherwise look up the names of all open connections.
  Object.assign(process.report, { excludeNetwork: true });
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  const version = report.header?.glibcVersionRuntime;
  return version === undefined ? 'musl' : `glibc ${version}`;
}

function isContainer(): boolean {
  if (fs.existsSync('/.dockerenv') || fs.existsSync('/run/.containerenv')) return true;
  try {
    return /docker|kubepods|containerd|lxc/.test(fs.readFileSync('/proc/1/cgroup', 'utf8'));
  } catch {
    return false;
  }
}

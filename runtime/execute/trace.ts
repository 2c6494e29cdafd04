/**
 * Finds files that a program opened and had not declared, from what strace saw (Linux).
 *
 * A program runs in a folder that holds its declared inputs alone. So an undeclared read shows in two ways: it opened a
 * file outside by an absolute path or through `..`, or it looked in its folder for a file that lies in the project.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';

export interface TraceScope {
  /** Where the program ran: the pipeline's folder as the program saw it. */
  work: string;
  /** The pipeline's folder. */
  folder: string;
  /** The project's root. */
  root: string;
  /** Where pinned interpreters and packages lie: they are the environment's, not the step's. */
  provided?: string;
}

/** The arguments that make strace write every opened file to `file`, in front of a command. */
export function straceArguments(file: string): string[] {
  return [
    // The program stays our own child and ends when it ends; else strace would wait for all that it has left behind.
    '-D',
    '-f',
    '-qq',
    '-y',
    '--seccomp-bpf',
    // Paths stand there whole in any case; a program's arguments, which may be secrets, are left out.
    '-s',
    '0',
    '-e',
    'trace=open,openat,openat2,execve',
    '-e',
    'signal=none',
    '-o',
    file,
    '--',
  ];
}

let works: string | null | undefined;

/** Why opened files cannot be seen here, or `null` where they can. Some containers have strace and forbid it. */
export function whyNoTrace(): string | null {
  if (works !== undefined) return works;
  if (process.platform !== 'linux') {
    works = 'undeclared reads are found on Linux only';
    return works;
  }
  const { error, status } = spawnSync('strace', [...straceArguments('/dev/null'), 'true'], {
    stdio: 'ignore',
    timeout: 5000,
  });
  if (error !== undefined) works = 'undeclared reads are not looked for: strace is not installed';
  else works = status === 0 ? null : 'undeclared reads are not looked for: strace is not allowed here';
  return works;
}

/** Undeclared reads in a trace, sorted; inside the project relative to the pipeline's folder, else absolute. */
export function undeclaredReads(trace: string, scope: TraceScope): string[] {
  const found = new Set<string>();
  const { opened, missing, programs } = parseTrace(trace);
  const installed = programs.map((path) => prefixOf(path));
  for (const path of opened) {
    if (within(path, scope.work) || isCache(path)) continue;
    if (scope.provided !== undefined && within(path, scope.provided)) continue;
    // A project may lie below a system's folder (`/tmp`, `/var`); what is its own is looked at first.
    const inside = within(path, scope.root);
    if (inside ? !isSource(path, scope) : isSystem(path) || isOutsideNoise(path, installed)) continue;
    if (isFile(path)) found.add(inside ? display(relative(scope.folder, path)) : path);
  }
  for (const path of missing) {
    if (!within(path, scope.work)) continue;
    const counterpart = resolve(scope.folder, relative(scope.work, path));
    if (isCache(counterpart) || !within(counterpart, scope.root) || !isSource(counterpart, scope)) continue;
    if (isFile(counterpart)) found.add(display(relative(scope.folder, counterpart)));
  }
  return [...found].sort();
}

/** Files of the project that a failed program's last words name, and that it had not declared. */
export function namedInOutput(output: string, scope: TraceScope): string[] {
  const found = new Set<string>();
  const tail = output.slice(-8000);
  const candidates = [
    ...[...tail.matchAll(/No module named '([\w.]+)'/g)].flatMap(([, name = '']) => {
      const path = name.replaceAll('.', '/');
      return [`${path}.py`, `${path}/__init__.py`, `${path.split('/')[0]}.py`];
    }),
    ...[...tail.matchAll(/['"]([^'"\n]+)['"]/g)].map(([, path = '']) => path),
  ];
  for (const candidate of candidates) {
    const inside = isAbsolute(candidate) ? relative(scope.work, candidate) : candidate;
    if (inside === '' || inside.startsWith('..') || isAbsolute(inside)) continue;
    for (const ending of ['', '.js', '.ts', '.mjs', '.cjs']) {
      const path = join(scope.folder, inside + ending);
      if (!within(path, scope.root) || existsSync(join(scope.work, inside + ending)) || !isFile(path)) continue;
      found.add(display(relative(scope.folder, path)));
      break;
    }
  }
  return [...found].sort();
}

/** Absolute paths that were opened for reading, those that were looked for in vain, and the programs that ran. */
export function parseTrace(trace: string): { opened: Set<string>; missing: Set<string>; programs: string[] } {
  const opened = new Set<string>();
  const missing = new Set<string>();
  const programs = new Set<string>();
  const unfinished = new Map<string, string>();
  for (const raw of trace.split('\n')) {
    const pid = raw.slice(0, raw.indexOf(' '));
    let line = raw.slice(pid.length).trimStart();
    if (line.endsWith('<unfinished ...>')) {
      unfinished.set(pid, line.slice(0, -'<unfinished ...>'.length));
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>/.exec(line);
    if (resumed !== null) {
      line = (unfinished.get(pid) ?? '') + line.slice(resumed[0].length);
      unfinished.delete(pid);
    }
    const program = /^execve\("((?:[^"\\]|\\.)*)".* = 0/.exec(line);
    if (program !== null) programs.add(unquote(program[1] ?? ''));
    const open = /^open(?:at2?)?\((?:[^"<]*<((?:[^>\\]|\\.)*)>, |[^"]*, )?"((?:[^"\\]|\\.)*)", ([^)]*)/.exec(line);
    if (open === null) continue;
    const [, folder, name = '', flags = ''] = open;
    if (flags.includes('O_WRONLY') || flags.includes('O_DIRECTORY') || flags.includes('O_CREAT')) continue;
    const success = / = \d+<((?:[^>\\]|\\.)*)>(?:\(deleted\))?$/.exec(line);
    if (success !== null) opened.add(unquote(success[1] ?? ''));
    else if (line.includes('ENOENT')) {
      const path = unquote(name);
      if (isAbsolute(path)) missing.add(resolve(path));
      else if (folder !== undefined) missing.add(resolve(unquote(folder), path));
    }
  }
  return { opened, missing, programs: [...programs] };
}

const SYSTEM = [
  '/usr',
  '/lib',
  '/lib32',
  '/lib64',
  '/libx32',
  '/bin',
  '/sbin',
  '/etc',
  '/proc',
  '/sys',
  '/dev',
  '/opt',
  '/run',
  '/var',
  '/nix',
  '/snap',
  '/boot',
  '/tmp',
];

function isSystem(path: string): boolean {
  return !isAbsolute(path) || SYSTEM.some((folder) => within(path, folder));
}

/** What tools put beside the sources that they read: it follows from them. */
function isCache(path: string): boolean {
  return path
    .split(sep)
    .some((part) => part === '__pycache__' || part === '.git' || part === 'node_modules' || part === 'site-packages');
}

/** Whether a file of the project is anything but what tools look up for themselves. */
function isSource(path: string, scope: TraceScope): boolean {
  if (within(path, join(scope.root, '.mlpipe'))) return false;
  // Node asks each folder above a script for the kind of its modules.
  return !/[\\/](package\.json|pyvenv\.cfg)$/.test(path);
}

/** Outside the project: interpreters' own folders, and the hidden ones of the person's home. */
function isOutsideNoise(path: string, installed: readonly string[]): boolean {
  if (installed.some((folder) => within(path, folder))) return true;
  const home = relative(homedir(), path);
  return home.startsWith('.') && !home.startsWith('..');
}

/** `/opt/python/bin/python3` belongs to what is installed at `/opt/python`. */
function prefixOf(program: string): string {
  const folder = dirname(program);
  return /[\\/](bin|sbin|Scripts)$/.test(folder) ? dirname(folder) : folder;
}

function within(path: string, folder: string): boolean {
  const inside = relative(folder, path);
  return inside === '' || (!inside.startsWith('..') && !isAbsolute(inside));
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

function display(path: string): string {
  return path.replaceAll('\\', '/');
}

/** strace's spelling of a string: C escapes, bytes in octal. */
function unquote(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes: number[] = [];
  const escapes: Record<string, number> = { n: 10, t: 9, r: 13, v: 11, f: 12, '"': 34, '\\': 92, '>': 62, '<': 60 };
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index] ?? '';
    if (character !== '\\') {
      bytes.push(...Buffer.from(character));
      continue;
    }
    const octal = /^[0-7]{1,3}/.exec(text.slice(index + 1));
    if (octal !== null) {
      bytes.push(Number.parseInt(octal[0], 8));
      index += octal[0].length;
    } else {
      bytes.push(escapes[text[index + 1] ?? ''] ?? 63);
      index += 1;
    }
  }
  return Buffer.from(bytes).toString('utf8');
}

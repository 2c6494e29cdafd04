/**
 * What a result may depend on that no pipeline declares, each as one change to how the steps run: after reprotest, by
 * which Debian tests that a package builds to the same bits. What cannot be changed on a machine is said, with why.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { homedir, hostname, userInfo } from 'node:os';
import { join } from 'node:path';
import type { Plan, StepPlan } from '../../grammar/plan/plan.ts';
import { type Conditions, commandUnder } from '../execute/conditions.ts';
import { FIXED_VARIABLES } from '../execute/variables.ts';
import { type Turned, turnListing } from './file-order.ts';
import type { VariationName } from './variations.ts';

/** One thing that is other than in the control run. */
export interface Variation {
  name: VariationName | 'again';
  from: string;
  to: string;
  /** Whether the pipeline says it, so that a result may depend on it. */
  declared: boolean;
  conditions: Conditions;
  /** What of it could not be done here, and what that means. */
  note?: string;
  /** Another plan than the recorded one. */
  plan?: Plan;
  /** Another folder than the control's, below the same. */
  place?: string;
  /** Called with the project's root when everything lies there. */
  onLaid?: (root: string) => void;
  /** Why it turned out that nothing was varied; asked when the steps have run. */
  inVain?: () => string | undefined;
}

/** What is varied: a step, its plan, everything that runs before it, and where things may be written. */
export interface Tested {
  plan: Plan;
  step: StepPlan;
  /** The step and all that stand behind it. */
  chain: readonly StepPlan[];
  /** A folder for what a variation needs beside the project. */
  folder: string;
}

/** The control run once more: what differs here is chance, or the time. */
export const AGAIN: Variation = {
  name: 'again',
  from: 'as it is',
  to: 'as it is',
  declared: false,
  conditions: {},
};

/** The variation, or why it cannot be made here. */
export function variationOf(name: VariationName, tested: Tested): Variation | string {
  const made = MAKERS[name](tested);
  return typeof made === 'string' ? made : { name, declared: false, ...made };
}

type Made = Omit<Variation, 'name' | 'declared'> & { declared?: boolean };

const MAKERS: Record<VariationName, (tested: Tested) => Made | string> = {
  seed,
  threads,
  cores,
  locale,
  'time-zone': timeZone,
  path: () => ({ from: 'place', to: OTHER_PLACE, conditions: {}, place: OTHER_PLACE }),
  home,
  user,
  host,
  umask,
  'hash-seed': hashSeed,
  'file-order': fileOrder,
  clock,
};

/** Of another length, so that what is cut off or aligned shows, too. */
const OTHER_PLACE = 'a-folder-of-another-name';

// ---------------------------------------------------------------- what the plan says

function seed({ plan, step }: Tested): Made | string {
  if (step.kind !== 'train') return 'a program declares no seed';
  if (step.seed === undefined) return 'the training declares no seed: each run draws another';
  const to = step.seed + 1;
  return {
    from: String(step.seed),
    to: String(to),
    declared: true,
    conditions: {},
    plan: { ...plan, steps: { ...plan.steps, [step.name]: { ...step, seed: to } } },
  };
}

/** How the libraries are told, of which one or the other is inside most programs that compute. */
const THREAD_VARIABLES = [
  'OMP_NUM_THREADS',
  'OPENBLAS_NUM_THREADS',
  'MKL_NUM_THREADS',
  'NUMEXPR_NUM_THREADS',
  'VECLIB_MAXIMUM_THREADS',
  'RAYON_NUM_THREADS',
  'GOMAXPROCS',
  'UV_THREADPOOL_SIZE',
];

function threads({ plan, step }: Tested): Made {
  const engine = plan.environments[step.environment ?? '']?.engine?.name;
  if (step.kind === 'train' && engine === 'tensorflow') {
    const from = step.resources.cpus ?? plan.environments[step.environment ?? '']?.hardware?.cpus ?? 1;
    const to = from === 1 ? 2 : 1;
    return {
      from: String(from),
      to: String(to),
      // Threads of TensorFlow are what `resources` asks for, and part of the key.
      declared: true,
      conditions: {},
      plan: {
        ...plan,
        steps: { ...plan.steps, [step.name]: { ...step, resources: { ...step.resources, cpus: to } } },
      },
    };
  }
  const to = allowedCores().length > 1 ? '1' : '2';
  return {
    from: 'as the libraries choose',
    to,
    conditions: { variables: Object.fromEntries(THREAD_VARIABLES.map((name) => [name, to])) },
  };
}

// ---------------------------------------------------------------- variables

/** Where the decimal separator, the order of letters and `i` in capitals are others. */
const LOCALES = ['tr_TR.UTF-8', 'et_EE.UTF-8', 'de_DE.UTF-8', 'fr_FR.UTF-8'];

function locale({ chain }: Tested): Made {
  const from = inherited(chain, 'LC_ALL') ?? inherited(chain, 'LANG') ?? 'C';
  const installed = installedLocales();
  const others = LOCALES.filter((name) => name !== from);
  const there = others.find((name) => installed.has(plain(name)));
  const to = there ?? others[0] ?? 'C';
  return {
    from,
    to,
    conditions: { variables: { LANG: to, LC_ALL: to, LANGUAGE: to.slice(0, 2) } },
    ...(there === undefined
      ? { note: `${to} is not installed here: programs in C fall back to the locale C, others know it by themselves` }
      : {}),
  };
}

function installedLocales(): Set<string> {
  const { stdout } = spawnSync('locale', ['-a'], { encoding: 'utf8', timeout: 5000 });
  return new Set((stdout ?? '').split('\n').map(plain));
}

/** `tr_TR.UTF-8` and `tr_TR.utf8` are the same. */
function plain(name: string): string {
  return name.toLowerCase().replace('utf-8', 'utf8');
}

function timeZone({ chain }: Tested): Made {
  const from = inherited(chain, 'TZ') ?? 'as the system has it';
  // Fourteen hours east of Greenwich it is another day for most of the time.
  const to = from === 'Etc/GMT-14' ? 'Etc/GMT+12' : 'Etc/GMT-14';
  return { from, to, conditions: { variables: { TZ: to } } };
}

/** Programs get what mlpipe sets; trainings have what this process has. */
function inherited(chain: readonly StepPlan[], name: string): string | undefined {
  return chain.some(({ kind }) => kind === 'program') ? FIXED_VARIABLES[name] : process.env[name];
}

function home({ folder }: Tested): Made {
  const to = join(folder, 'another-home');
  fs.mkdirSync(to, { recursive: true });
  return { from: homedir(), to: 'an empty folder', conditions: { variables: { HOME: to, USERPROFILE: to } } };
}

function hashSeed({ chain }: Tested): Made | string {
  if (!chain.some(({ kind }) => kind === 'program')) return 'no program runs: it is of Python alone';
  return {
    from: FIXED_VARIABLES.PYTHONHASHSEED ?? 'random',
    to: '4242',
    conditions: { variables: { PYTHONHASHSEED: '4242' } },
  };
}

// ---------------------------------------------------------------- the process

/** The processors that this process may use. */
function allowedCores(): number[] {
  try {
    const [, list = ''] = /^Cpus_allowed_list:\s*(\S+)/m.exec(fs.readFileSync('/proc/self/status', 'utf8')) ?? [];
    return list.split(',').flatMap((part) => {
      const [first = 0, last = first] = part.split('-').map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => first + index);
    });
  } catch {
    // Not Linux.
    return [];
  }
}

function cores(): Made | string {
  const allowed = allowedCores();
  if (allowed.length === 0) return 'on Linux only';
  const [first] = allowed;
  if (allowed.length === 1 || first === undefined) return 'there is one core alone';
  return wrapped({ from: String(allowed.length), to: '1' }, ['taskset', '--cpu-list', String(first)], 'taskset');
}

const OTHER_ACCOUNT = { name: 'somebody-else', number: 54321 };

function user(): Made {
  const { name, number } = OTHER_ACCOUNT;
  const variables = { USER: name, LOGNAME: name, USERNAME: name };
  const from = process.getuid === undefined ? account() : `${account()} (${process.getuid()})`;
  const mapped = wrapped(
    { from, to: `${name} (${number})` },
    ['unshare', '--user', `--map-user=${number}`, `--map-group=${number}`, '--'],
    'unshare',
  );
  if (typeof mapped !== 'string') return { ...mapped, conditions: { ...mapped.conditions, variables } };
  return { from, to: name, conditions: { variables }, note: `the account’s number stays the same: ${mapped}` };
}

function account(): string {
  try {
    return userInfo().username;
  } catch {
    // A container may run as a number that no account has.
    return 'no account';
  }
}

function host(): Made | string {
  const to = 'another-host';
  const identity = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const back = identity.every((number) => number === 0)
    ? 'exec "$@"'
    : `exec unshare --user --map-user=${identity[0]} --map-group=${identity[1]} -- "$@"`;
  return wrapped(
    { from: hostname(), to },
    ['unshare', '--user', '--map-root-user', '--uts', '--', 'sh', '-c', `hostname ${to} && ${back}`, 'sh'],
    'unshare',
  );
}

function umask(): Made | string {
  if (process.platform === 'win32') return 'Windows has none';
  const now = spawnSync('sh', ['-c', 'umask'], { encoding: 'utf8', timeout: 5000 }).stdout.trim();
  const to = now === '0077' ? '0022' : '0077';
  return wrapped({ from: now, to }, ['sh', '-c', `umask ${to} && exec "$@"`, 'sh'], 'sh');
}

function clock(): Made | string {
  return wrapped({ from: 'today', to: 'in 400 days' }, ['faketime', '-f', '+400d'], 'faketime (libfaketime)');
}

/** Tries whether a command can stand in front of another here; else says why not. */
function wrapped(change: { from: string; to: string }, before: readonly string[], what: string): Made | string {
  const [program = '', ...words] = commandUnder({ before }, [process.execPath, '--version']);
  const { error, status, stderr } = spawnSync(program, words, { encoding: 'utf8', timeout: 10_000 });
  if (error !== undefined) {
    return 'code' in error && error.code === 'ENOENT' ? `${what} is not installed` : `${what}: ${error.message}`;
  }
  if (status !== 0) return `${what} is not allowed here: ${stderr.trim().split('\n').at(-1) ?? `exit code ${status}`}`;
  return { ...change, conditions: { before } };
}

// ---------------------------------------------------------------- files

function fileOrder(): Made {
  const seen: Turned = { folders: 0, changed: 0 };
  const turn = (folder: string, spare: readonly string[] = []) => {
    const { folders, changed } = turnListing(folder, spare);
    seen.folders += folders;
    seen.changed += changed;
  };
  return {
    from: 'as laid',
    to: 'the other way round',
    conditions: { onLaid: (folder) => turn(folder, ['node_modules']) },
    onLaid: (root) => turn(root, ['.git', '.mlpipe', 'node_modules']),
    inVain: () =>
      seen.changed > 0
        ? undefined
        : seen.folders === 0
          ? 'no folder holds more than one file'
          : 'this file system lists by an order of its own, whatever order files are made in',
  };
}

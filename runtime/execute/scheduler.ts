/** Runs tasks in the order of what they need, several at once as far as the machine's slots reach. */

export interface Task {
  name: string;
  /** Names of tasks that must be done before; those that are not among the tasks count as done. */
  needs: readonly string[];
  slots: Slots;
}

/** What a task holds while it runs, or what a machine has. */
export interface Slots {
  cpus: number;
  /** Bytes. */
  memory: number;
  gpus: number;
}

/** `done` lets those that need it go on; anything else does not. */
export type TaskEnd = 'done' | 'failed' | 'cancelled' | 'skipped';

export interface ScheduleOptions {
  /** At most so many at once. */
  jobs: number;
  available: Slots;
  /** After a failure, still run everything that does not need what failed. */
  keepGoing: boolean;
  signal: AbortSignal;
  /** Does the work. Must not throw: a failure is an answer. */
  run: (task: Task) => Promise<'done' | 'failed' | 'cancelled'>;
  /** Called for a task that is never begun, with the reason. */
  skip: (task: Task, end: 'skipped' | 'cancelled', reason: string) => void;
}

/**
 * Runs every task that can run, and answers how each ended. A task that asks for more than there is runs alone: whether
 * that may be is decided before.
 */
export async function schedule(tasks: readonly Task[], options: ScheduleOptions): Promise<Map<string, TaskEnd>> {
  const ends = new Map<string, TaskEnd>();
  const waiting = new Map(tasks.map((task) => [task.name, task]));
  const running = new Map<string, { task: Task; promise: Promise<void> }>();
  const free = { ...options.available };
  let stopped = false;

  const settle = (task: Task, end: TaskEnd) => {
    ends.set(task.name, end);
    if (end === 'failed' && !options.keepGoing) stopped = true;
  };

  const leave = (task: Task, end: 'skipped' | 'cancelled', reason: string) => {
    waiting.delete(task.name);
    settle(task, end);
    options.skip(task, end, reason);
  };

  const begin = (task: Task) => {
    waiting.delete(task.name);
    const held = bounded(task.slots, options.available);
    take(free, held, -1);
    const promise = options
      .run(task)
      .catch(() => 'failed' as const)
      .then((end) => {
        take(free, held, 1);
        running.delete(task.name);
        settle(task, end);
      });
    running.set(task.name, { task, promise });
  };

  for (;;) {
    let changed = true;
    while (changed) {
      changed = false;
      for (const task of [...waiting.values()]) {
        if (options.signal.aborted) {
          leave(task, 'cancelled', 'the run was cancelled');
          changed = true;
          continue;
        }
        const blocker = task.needs.find((name) => (ends.get(name) ?? 'done') !== 'done');
        if (blocker !== undefined) {
          const cancelled = ends.get(blocker) === 'cancelled';
          leave(
            task,
            cancelled ? 'cancelled' : 'skipped',
            `${blocker} ${cancelled ? 'was cancelled' : 'did not succeed'}`,
          );
          changed = true;
          continue;
        }
        if (stopped) {
          leave(task, 'skipped', 'an earlier step failed; -k goes on');
          changed = true;
          continue;
        }
        const ready = task.needs.every((name) => !waiting.has(name) && !running.has(name));
        if (ready && running.size < options.jobs && fits(task.slots, free, options.available)) begin(task);
      }
    }
    if (running.size === 0) {
      // Nothing runs and something waits: a cycle, which the rules report before a run begins.
      for (const task of [...waiting.values()]) leave(task, 'skipped', 'it needs itself');
      return ends;
    }
    await Promise.race([...running.values()].map(({ promise }) => promise));
  }
}

function bounded(asked: Slots, available: Slots): Slots {
  return {
    cpus: Math.min(asked.cpus, available.cpus),
    memory: Math.min(asked.memory, available.memory),
    gpus: Math.min(asked.gpus, available.gpus),
  };
}

function fits(asked: Slots, free: Slots, available: Slots): boolean {
  const held = bounded(asked, available);
  return held.cpus <= free.cpus && held.memory <= free.memory && held.gpus <= free.gpus;
}

function take(free: Slots, held: Slots, sign: 1 | -1): void {
  free.cpus += sign * held.cpus;
  free.memory += sign * held.memory;
  free.gpus += sign * held.gpus;
}

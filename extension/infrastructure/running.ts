/** What is running now, as the runtime's events tell it: read by the tree, the lenses and the status bar. */
import { Emitter } from 'vscode-jsonrpc';
import type { RunEvent, StepProgress, StepResult, TransferProgress } from '../../runtime/rpc/protocol.ts';

export interface RunningStep {
  step: string;
  /** Why it runs, in one line. */
  reason: string;
  progress: StepProgress | undefined;
}

/** One run that was asked for, from the click to its answer. */
export interface Running {
  readonly id: number;
  readonly file: string;
  /** What was asked for; empty for the whole pipeline. */
  readonly asked: readonly string[];
  /** Its friendly name, once the runtime has given it one. */
  run: string | undefined;
  /** Every step that takes part; empty until the runtime says so. */
  planned: readonly string[];
  finished: StepResult[];
  readonly current: Map<string, RunningStep>;
  /** What is being fetched from a remote, as far as it has come. */
  transfer: TransferProgress | undefined;
  /** What was done unasked, in a line: `fetched 12 objects (10 MiB) from origin`. */
  told: string | undefined;
  cancelling: boolean;
}

export class RunningRuns {
  readonly #changes = new Emitter<Running>();
  readonly #runs = new Map<number, Running>();
  #next = 1;

  /** Fires when a run begins, goes on or ends. */
  readonly onChanged = this.#changes.event;

  get all(): Running[] {
    return [...this.#runs.values()];
  }

  begin(file: string, asked: readonly string[]): Running {
    const running: Running = {
      id: this.#next++,
      file,
      asked,
      run: undefined,
      planned: [],
      finished: [],
      current: new Map(),
      transfer: undefined,
      told: undefined,
      cancelling: false,
    };
    this.#runs.set(running.id, running);
    this.#changes.fire(running);
    return running;
  }

  cancelling(running: Running): void {
    running.cancelling = true;
    this.#changes.fire(running);
  }

  end(running: Running): void {
    if (this.#runs.delete(running.id)) this.#changes.fire(running);
  }

  /** The run that works on a step of a file, or on the whole file where no step is given. */
  of(file: string, step?: string): Running | undefined {
    return this.all.find((running) => {
      if (running.file !== file) return false;
      return step === undefined ? running.asked.length === 0 : takesPart(running, step);
    });
  }

  /** Something is fetched for a run of this file; where there are several, all of them wait for it. */
  fetching(file: string, progress: TransferProgress): void {
    for (const running of this.all.filter((each) => each.file === file)) {
      running.transfer = progress;
      this.#changes.fire(running);
    }
  }

  /** Something was done unasked for a run of this file, and a transfer with it. */
  tell(file: string, message: string): void {
    for (const running of this.all.filter((each) => each.file === file)) {
      running.transfer = undefined;
      running.told = message;
      this.#changes.fire(running);
    }
  }

  /** Takes in one event of the runtime. Events of runs that nobody here asked for are left alone. */
  receive(file: string, event: RunEvent): void {
    const running = this.#target(file, event);
    if (running === undefined) return;
    switch (event.type) {
      case 'run-started':
        running.run = event.run;
        running.planned = event.steps;
        break;
      case 'step-started':
        // What it needed has come, or is not to be had.
        running.transfer = undefined;
        running.current.set(event.step, { step: event.step, reason: event.reason, progress: undefined });
        break;
      case 'step-progress': {
        const before = running.current.get(event.step);
        running.current.set(event.step, { step: event.step, reason: before?.reason ?? '', progress: event });
        break;
      }
      case 'step-finished':
        running.current.delete(event.step);
        running.finished.push(event);
        break;
      default:
        return;
    }
    this.#changes.fire(running);
  }

  #target(file: string, event: RunEvent): Running | undefined {
    const here = this.all.filter((running) => running.file === file);
    switch (event.type) {
      case 'run-started':
        return here.find(({ run }) => run === undefined);
      case 'run-finished':
        return here.find(({ run }) => run === event.run);
      default:
        return here.find(({ planned }) => planned.includes(event.step)) ?? (here.length === 1 ? here[0] : undefined);
    }
  }
}

function takesPart(running: Running, step: string): boolean {
  if (running.planned.length > 0) {
    return running.planned.includes(step) && !running.finished.some((result) => result.step === step);
  }
  return running.asked.length === 0 || running.asked.includes(step);
}

/** Whether an engine is fetched before the step itself begins; the share is then of that. */
export function isInstalling({ phase }: StepProgress): boolean {
  return phase.startsWith('installing ');
}

/** 0 … 1 of the whole run: every step counts the same, because nobody knows beforehand how long one takes. */
export function shareOf(running: Running): number {
  if (running.planned.length === 0) return 0;
  let done = running.finished.length;
  for (const { progress } of running.current.values()) {
    if (progress !== undefined && !isInstalling(progress)) done += progress.share;
  }
  return Math.min(1, done / running.planned.length);
}

/** The step that has most to tell: the one that trains, else the latest. */
export function foremostStep(running: Running): RunningStep | undefined {
  const steps = [...running.current.values()];
  return steps.find(({ progress }) => progress?.epoch !== undefined) ?? steps.at(-1);
}

/** What is said while a pipeline runs and when it has ended. Plain functions of what the runtime answered. */
import { basename } from 'node:path';
import type { RunAnswer, RunStepAnswer } from '../../../runtime/rpc/protocol.ts';
import { foremostStep, isInstalling, type Running, type RunningStep } from '../../infrastructure/running.ts';
import { spokenMetric, spokenSeconds, spokenTransfer } from '../../infrastructure/wording.ts';

/** What was asked for, as a name: `recognise` (the first step; what else runs is there for it), `digits.mlpipe`. */
export function nameOfRun(file: string, steps: readonly string[]): string {
  return steps[0] ?? basename(file);
}

/** One line under the notification's title: `epoch 3/12 · loss 0.21 · accuracy 93.1 %`. */
export function progressLine(running: Running): string {
  if (running.cancelling) return 'cancelling …';
  const step = foremostStep(running);
  const told = running.told === undefined ? [] : [running.told];
  if (running.transfer !== undefined) return spokenTransfer(running.transfer);
  if (step === undefined) {
    const state =
      running.planned.length === 0 ? 'looking at what has changed …' : `${running.finished.length} steps done`;
    return [state, ...told].join(' · ');
  }
  const named = running.planned.length > 1 ? [step.step] : [];
  return [...named, ...stepWords(step), ...told].join(' · ');
}

/** The same, short enough for a code lens or the status bar: `epoch 3/12`. */
export function shortProgress(running: Running, step?: string): string {
  const found = step === undefined ? foremostStep(running) : running.current.get(step);
  if (found === undefined) return running.cancelling ? 'cancelling' : running.transfer ? 'fetching' : 'waiting';
  return stepWords(found)[0] ?? 'running';
}

function stepWords({ progress }: RunningStep): string[] {
  if (progress === undefined) return ['starting'];
  if (isInstalling(progress)) return [`${progress.phase} ${Math.floor(progress.share * 100)} %`];
  const epoch =
    progress.epoch === undefined
      ? progress.phase
      : `epoch ${progress.epoch}${progress.epochs === undefined ? '' : `/${progress.epochs}`}`;
  const metrics = Object.entries(progress.metrics ?? {})
    .slice(0, 3)
    .map(([name, value]) => spokenMetric(name, value));
  return [epoch, ...metrics];
}

export interface Outcome {
  kind: 'done' | 'nothing-to-do' | 'failed' | 'cancelled';
  message: string;
  /** The record that "Show Model" or "Show Record" opens. */
  record: string | undefined;
}

/**
 * How a run ended, as one message with what to do next.
 *
 * @param name what was asked for
 */
export function outcomeOf(answer: RunAnswer, name: string): Outcome {
  const failed = answer.steps.find(({ status }) => status === 'failed');
  if (failed !== undefined) {
    const skipped = answer.steps.filter(({ status }) => status === 'skipped').length;
    const others =
      skipped === 0 ? '' : ` ${skipped === 1 ? '1 step that needs' : `${skipped} steps that need`} it did not run.`;
    const todo = failed.error?.todo === undefined ? '' : ` ${failed.error.todo}`;
    return {
      kind: 'failed',
      message: `${failed.step} failed: ${sentence(failed.error?.message ?? failed.reason)}${todo}${others}`,
      record: failed.record ?? undefined,
    };
  }
  if (answer.steps.some(({ status }) => status === 'cancelled')) {
    return {
      kind: 'cancelled',
      message: `${name} was cancelled after ${spokenSeconds(answer.seconds)}.`,
      record: undefined,
    };
  }
  const ran = answer.steps.filter(({ status }) => status === 'ran');
  const newest = resultOf(answer.steps);
  if (ran.length === 0) {
    return {
      kind: 'nothing-to-do',
      message: `${name} is up to date: ${newest?.reason ?? 'nothing has changed'}.`,
      record: newest?.record ?? undefined,
    };
  }
  const metrics = metricsOf(answer.steps);
  return {
    kind: 'done',
    message: `${name} is done in ${spokenSeconds(answer.seconds)}${metrics === '' ? '' : `: ${metrics}`}.`,
    record: newest?.record ?? undefined,
  };
}

/** The step whose record leads to the model: the last that made one, else the last with a record. */
function resultOf(steps: readonly RunStepAnswer[]): RunStepAnswer | undefined {
  return (
    steps.findLast(({ record, outputs }) => record !== null && 'model' in outputs) ??
    steps.findLast(({ record }) => record !== null)
  );
}

/** Metrics of the last step that has any: an evaluation's where there is one. */
function metricsOf(steps: readonly RunStepAnswer[]): string {
  const measured = steps.findLast(({ metrics }) => Object.keys(metrics).length > 0);
  return Object.entries(measured?.metrics ?? {})
    .filter(([name]) => !/[.[(]/.test(name))
    .slice(0, 2)
    .map(([name, value]) => spokenMetric(name, value))
    .join(', ');
}

function sentence(text: string): string {
  return /[.!?…]$/.test(text) ? text : `${text}.`;
}

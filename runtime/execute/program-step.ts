/** Executes a program step: lays its inputs out, runs it in what its environment pins, stores what it wrote. */
import { existsSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, isAbsolute, join, relative, resolve } from 'node:path';
import type { ProgramStep } from '../../grammar/plan/plan.ts';
import { provideLanguages } from '../environment/languages/provide.ts';
import type { Retention } from '../environment/retained.ts';
import { userCache } from '../environment/user-cache.ts';
import { MlpipeError } from '../errors.ts';
import { duration, size } from '../words.ts';
import type { Assessment } from './assess.ts';
import { pathInRun } from './command-line.ts';
import { type OpenImage, openImage, RUNTIME_FAILED, readOnlyInputs } from './container.ts';
import { filesOf, type LocatedInput, placeOf, putSource } from './inputs.ts';
import { notePid } from './orphans.ts';
import { NOTHING, type Outcome } from './outcome.ts';
import { describeEnd, limitsOf } from './process.ts';
import { type ProgramEnd, runProgram } from './program.ts';
import { environmentOf, locationOf, type StepContext } from './step-context.ts';

/** A folder that mirrors the project, so that `../shared.py` leads where it leads in the project. */
interface WorkFolder {
  /** Stands for the project's root. */
  top: string;
  /** Stands for the pipeline's folder: where the program runs. */
  work: string;
}

/**
 * Runs a program step to its end.
 *
 * @param folder the run folder; what an earlier attempt laid out there is laid out anew
 * @throws MlpipeError `data-changed`, `path-outside`, and as `openImage`, `provideLanguages` and `runProgram`; that the
 * program fails is an outcome
 */
export async function executeProgram(
  context: StepContext,
  { inputs, environment, reason }: Assessment,
  step: ProgramStep,
  folder: string,
  retention: Retention,
): Promise<Outcome> {
  const { world, plan } = context;
  const pipelineFolder = dirname(context.file);
  const place = makeWorkFolder(context, folder);
  const inImage = await imageOf(context, step);
  const provided = await provideLanguages(environment.languages, {
    retention,
    signal: context.signal,
    onStart: (phase) => context.emit({ type: 'step-progress', step: step.name, phase, share: 0 }),
    onWait: () =>
      context.emit({
        type: 'step-progress',
        step: step.name,
        phase: 'waiting: another run provides the same',
        share: 0,
      }),
  });
  // An image brings its own.
  if (!inImage) linkModules(provided.modules ?? join(pipelineFolder, 'node_modules'), place.work);
  const { laid, files } = await layInputs(context, step, inputs, place);
  context.conditions?.onLaid?.(place.work);
  const written = step.writes.map(({ path }) => inside(place, path, step));
  const end = await runProgram(
    {
      plan,
      step,
      folder,
      scope: { work: place.work, folder: pipelineFolder, root: world.root, provided: userCache() },
      files,
      searchPath: provided.searchPath,
      environment: { ...process.env },
      variables: provided.variables,
      ...(inImage ? { container: { ...inImage.container, readOnly: readOnlyInputs(laid, written) } } : {}),
      ...(context.conditions === undefined ? {} : { conditions: context.conditions }),
    },
    {
      onStart: (pid) => {
        notePid(folder, pid);
        context.emit({ type: 'step-started', step: step.name, reason, pid });
      },
      onOutput: (stream, text) => context.emit({ type: 'step-output', step: step.name, stream, text }),
    },
    context.signal,
  );
  const log = (await world.store.put(end.logFile)).digest;
  const evidence = { ...languageEvidence(provided.evidence), ...(inImage ? { image: inImage.evidence } : {}) };
  const base = { ...NOTHING, undeclaredReads: end.undeclared, log, evidence };
  warnOfReads(context, step, end);
  if (end.end.stopped === 'cancelled' || context.signal.aborted)
    return { ...base, exit: { status: 'cancelled', message: 'It was cancelled.' } };
  if (end.end.code !== 0 || end.end.signal !== null) return { ...base, ...failureOf(step, end, inImage?.container) };
  return { ...base, ...(await storeOutputs(context, step, place)) };
}

// ---------------------------------------------------------------- before it runs

function makeWorkFolder({ file, world }: StepContext, folder: string): WorkFolder {
  const top = join(folder, 'work');
  const work = join(top, relative(world.root, dirname(file)));
  rmSync(top, { recursive: true, force: true });
  mkdirSync(work, { recursive: true });
  return { top, work };
}

/** The image that the step's environment names, fetched, if it names one. */
async function imageOf(context: StepContext, step: ProgramStep): Promise<OpenImage | undefined> {
  const image = environmentOf(context.plan, step)?.image;
  const inImage =
    image &&
    (await openImage(image, context.signal, () =>
      context.emit({ type: 'step-progress', step: step.name, phase: `fetching the image ${image.name}`, share: 0 }),
    ));
  if (inImage && (step.resources.gpus ?? 0) > 0) {
    const message = 'No graphics processor is passed on to an image in this version: its programs see none.';
    context.emit({ type: 'step-warning', step: step.name, message });
  }
  return inImage;
}

/** Lays each input where the program looks for it, and answers where, and which files each data set is. */
async function layInputs(
  { file, plan, world }: StepContext,
  step: ProgramStep,
  inputs: readonly LocatedInput[],
  { top, work }: WorkFolder,
): Promise<{ laid: string[]; files: Record<string, string[]> }> {
  const laid: string[] = [];
  const files: Record<string, string[]> = {};
  for (const input of inputs) {
    const { source } = input;
    if (source.kind === 'output') {
      const place = join(work, pathInRun(plan, source.step, source.output));
      await world.store.checkout(input.digest, place);
      laid.push(place);
      continue;
    }
    const path = input.path ?? '';
    if (input.location !== undefined) {
      const stored = await putSource(world.store, input.location);
      if (stored.digest !== input.digest) {
        throw new MlpipeError(`${path} changed while the run began.`, { code: 'data-changed', todo: 'Run again.' });
      }
    }
    const place = inside({ top, work }, placeOf(path, input.location), step);
    await world.store.checkout(input.digest, place);
    laid.push(place);
    if (source.kind === 'data') files[source.data] = await filesOf(path, dirname(file));
  }
  return { laid, files };
}

/** Packages are found beside the program: those of the lock file, or without one those beside the pipeline. */
function linkModules(modules: string, work: string): void {
  if (existsSync(modules)) symlinkSync(modules, join(work, 'node_modules'), 'junction');
}

/** A path inside the run folder, or an error: nothing is laid out or taken from anywhere else. */
function inside({ top, work }: WorkFolder, path: string, step: ProgramStep): string {
  const place = resolve(work, path);
  const way = relative(top, place);
  if (!way.startsWith('..') && !isAbsolute(way)) return place;
  throw new MlpipeError(`${step.name} names ${path}, which lies outside the project.`, {
    code: 'path-outside',
    todo: 'Move it into the project, and name it there.',
  });
}

// ---------------------------------------------------------------- when it has ended

function warnOfReads(context: StepContext, step: ProgramStep, { undeclared, untraced }: ProgramEnd): void {
  if (untraced !== null && context.tellOnce(untraced))
    context.emit({ type: 'step-warning', step: step.name, message: untraced });
  if (undeclared.length > 0) {
    context.emit({
      type: 'step-warning',
      step: step.name,
      message: `It reads ${undeclared.join(', ')}, which \`reads\` does not name: a change there would rerun nothing.`,
      ...locationOf(context, step.block),
    });
  }
}

/** How a program failed, or that its container's runtime did. */
function failureOf(
  step: ProgramStep,
  { end, named }: ProgramEnd,
  container: OpenImage['container'] | undefined,
): Pick<Outcome, 'exit' | 'todo' | 'cannot'> {
  const { code, signal } = end;
  if (container && code === RUNTIME_FAILED) {
    const { runtime, image: reference } = container;
    return {
      exit: { status: 'failed', code, message: `${runtime.name} could not run ${reference}.` },
      todo: 'Its output above says why.',
      cannot: true,
    };
  }
  const how = describeEnd(end, limitsOf(step), { duration, size });
  const lacks = named.length === 0 ? '' : ` It names ${named.join(', ')}, which \`reads\` does not.`;
  return {
    exit: {
      status: 'failed',
      ...(code === null ? {} : { code }),
      ...(signal === null ? {} : { signal }),
      message: `The program ${how}.${lacks}`,
    },
    todo:
      named.length > 0 ? `Add \`reads ${named.map((name) => `"${name}"`).join(', ')}\`.` : 'Its output above says why.',
  };
}

/** Stores what the step declares to write; one that it did not write fails it. */
async function storeOutputs(
  { world }: StepContext,
  step: ProgramStep,
  place: WorkFolder,
): Promise<Pick<Outcome, 'outputs' | 'exit' | 'todo'>> {
  const outputs: Outcome['outputs'] = {};
  for (const { name, path } of step.writes) {
    const written = inside(place, path, step);
    if (!existsSync(written)) {
      return {
        outputs: {},
        exit: { status: 'failed', code: 0, message: `The program ended well but did not write ${path}.` },
        todo: `Write to \${${name}} in the command, or correct the path after \`writes ${name}\`.`,
      };
    }
    const { digest, bytes } = await world.store.put(written);
    outputs[name] = { digest, bytes, path };
  }
  return { outputs, exit: { status: 'ok', code: 0 } };
}

/** What was provided, where anything was pinned. */
function languageEvidence(provided: Record<string, unknown>): Record<string, unknown> {
  return Object.keys(provided).length === 0 ? {} : { languages: provided };
}

/** Lays results where people and other programs look for them. The store stays the truth; these are copies and links. */
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { Digest, StepPlan } from '../../grammar/plan/plan.ts';
import type { RecordedOutput } from '../ledger/record.ts';
import type { StepContext } from './step-context.ts';
import type { PipelineContext } from './world.ts';

/**
 * Puts a step's outputs in place: what a program writes at its declared path, everything else below
 * `.mlpipe/outputs/<pipeline>/<step>/`. What lies there already and is the same stays untouched; what lies there and is
 * something else is first kept in the store, for a person may have written it.
 *
 * @returns what was replaced although nobody had stored it before, with the digest that it now has
 */
export async function layOutputs(
  context: PipelineContext,
  step: StepPlan,
  outputs: Readonly<Record<string, RecordedOutput>>,
): Promise<{ path: string; digest: Digest }[]> {
  const { store } = context.world;
  const replaced: { path: string; digest: Digest }[] = [];
  for (const [name, { digest, path }] of Object.entries(outputs)) {
    if (!store.has(digest)) continue;
    const place =
      step.kind === 'program' && path !== undefined
        ? resolve(dirname(context.file), path)
        : join(outputFolder(context), safeName(step.name), name);
    if (existsSync(place)) {
      const there = await store.digest(place);
      if (there.digest === digest) continue;
      if (!store.has(there.digest)) {
        await store.put(place);
        if (step.kind === 'program') replaced.push({ path: path ?? place, digest: there.digest });
      }
    }
    mkdirSync(dirname(place), { recursive: true });
    const temporary = `${place}.mlpipe-${process.pid}`;
    rmSync(temporary, { recursive: true, force: true });
    await store.checkout(digest, temporary, { writable: step.kind === 'program' });
    // A folder cannot be renamed over another; a file can, and then nobody ever sees none.
    if (statSync(place, { throwIfNoEntry: false })?.isDirectory() || statSync(temporary).isDirectory()) {
      rmSync(place, { recursive: true, force: true });
    }
    renameSync(temporary, place);
  }
  return replaced;
}

/** Puts outputs where they belong, and says what had to make room. */
export async function putInPlace(
  context: StepContext,
  step: StepPlan,
  outputs: Readonly<Record<string, RecordedOutput>>,
): Promise<void> {
  for (const { path, digest } of await layOutputs(context, step, outputs)) {
    context.emit({
      type: 'step-warning',
      step: step.name,
      message: `${path} held something else, which is now kept in the store as ${digest}.`,
    });
  }
}

/** Where the models of a pipeline lie: `.mlpipe/outputs/digits.mlpipe/`. */
export function outputFolder(context: PipelineContext): string {
  return join(context.world.store.folder, 'outputs', relative(context.world.root, context.file));
}

/** A step's name as a file may be called. */
export function safeName(name: string): string {
  return name.replace(/[^A-Za-z0-9@=.,_+-]/g, '_');
}

/** What would run, and why. */

import { MlpipeError } from '../errors.ts';
import type { StatusAnswer } from '../rpc/protocol.ts';
import { type Assessment, assess, inOrder } from './assess.ts';
import { closure, namedSteps } from './chosen.ts';
import type { UpstreamResult } from './inputs.ts';
import { needsOf } from './keys.ts';
import type { RunOptions } from './run.ts';
import type { PipelineContext } from './world.ts';

/**
 * What would run, and why. Changes nothing.
 *
 * @param seen is given what was found out about each step whose inputs are all there
 */
export async function statusOf(
  context: PipelineContext,
  options: Pick<RunOptions, 'steps' | 'downstream' | 'force' | 'noCache'> = {},
  seen?: Map<string, Assessment>,
): Promise<StatusAnswer> {
  const order = inOrder(context.plan);
  const named = namedSteps(context.plan, options.steps ?? []);
  const anew = (name: string) =>
    options.noCache === true || (options.force === true && (named.size === 0 || named.has(name)));
  const upstream = new Map<string, UpstreamResult>();
  const steps: StatusAnswer['steps'] = [];
  for (const step of closure(context.plan, order, named, options.downstream ?? false)) {
    const waitsFor = needsOf(context.plan, step).find((name) => !upstream.has(name));
    if (waitsFor !== undefined) {
      const blocked = steps.find((each) => each.step === waitsFor)?.state === 'blocked';
      steps.push({
        step: step.name,
        key: null,
        state: blocked ? 'blocked' : 'stale',
        reason: blocked ? `${waitsFor} is blocked` : `${waitsFor} will run`,
      });
      continue;
    }
    try {
      const assessment = await assess(context, step, upstream);
      seen?.set(step.name, assessment);
      const { state, reason, key, cached } = assessment;
      if (anew(step.name)) {
        const why = options.noCache === true ? 'no cached result is taken' : 'forced';
        steps.push({ step: step.name, key, state: 'stale', reason: why });
        continue;
      }
      if (cached && state !== 'blocked')
        upstream.set(step.name, { record: cached.digest, outputs: cached.record.outputs });
      steps.push({ step: step.name, key, state, reason });
    } catch (error) {
      if (!(error instanceof MlpipeError)) throw error;
      steps.push({ step: step.name, key: null, state: 'blocked', reason: error.message });
    }
  }
  return { upToDate: steps.every(({ state }) => state === 'up-to-date'), steps };
}

/** Why a step ran again, or would: its two keys side by side, found when somebody asks. */
import { MlpipeError } from '../errors.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { WhyAnswer } from '../rpc/protocol.ts';
import { minute } from '../words.ts';
import { type Assessment, partsOf } from './assess.ts';
import { type KeySide, keyTexts } from './key-text.ts';
import { statusOf } from './status.ts';
import type { PipelineContext } from './world.ts';

/**
 * What a step is now beside what it was in its last run; where it is up to date, its last run beside the newest one
 * before it that had another key.
 *
 * @param records of the step, the newest first
 * @throws MlpipeError `step-unknown`
 */
export async function whyRerun(
  context: PipelineContext,
  step: string,
  records: readonly StoredRecord[],
): Promise<WhyAnswer> {
  const seen = new Map<string, Assessment>();
  const { steps } = await statusOf(context, { steps: [step] }, seen);
  const status = steps.find((each) => each.step === step);
  if (status === undefined) {
    // The name of a block that stands for several steps; a lens names one of them.
    throw new MlpipeError(`${step} is several steps.`, {
      code: 'step-unknown',
      todo: `Name one of ${steps.map((each) => each.step).join(', ')}.`,
      exit: 2,
    });
  }
  const [last] = records;
  if (last === undefined) return { step, reason: status.reason, keys: null };
  const now = seen.get(step);
  if (now !== undefined && now.key !== last.record.key) {
    const before = await sideOf(context, last);
    const { cached } = now;
    const after =
      cached === undefined
        ? { parts: now.parts, inputs: now.inputs, parameters: context.plan.parameters }
        : await sideOf(context, cached);
    const titles = [titleOf(last), cached === undefined ? 'now' : titleOf(cached)] as const;
    return { step, reason: status.reason, keys: documents(before, after, titles) };
  }
  const earlier = records.find(({ record }) => record.key !== last.record.key);
  const reason = now === undefined || status.state === 'up-to-date' ? last.record.reason : status.reason;
  if (earlier === undefined) return { step, reason, keys: null };
  const titles = [titleOf(earlier), titleOf(last)] as const;
  return {
    step,
    reason,
    keys: documents(await sideOf(context, earlier), await sideOf(context, last), titles),
  };
}

function documents(before: KeySide, after: KeySide, titles: readonly [string, string]): NonNullable<WhyAnswer['keys']> {
  const texts = keyTexts(before, after);
  return {
    before: { title: titles[0], text: texts.before },
    after: { title: titles[1], text: texts.after },
  };
}

async function sideOf(context: PipelineContext, { record }: StoredRecord): Promise<KeySide> {
  const { inputs, parameters } = record;
  return { parts: await partsOf(context, record.keyParts), inputs, parameters };
}

function titleOf({ record }: StoredRecord): string {
  return `${record.run}, ${minute(record.when.ended)}`;
}

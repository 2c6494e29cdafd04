/** Runs one step and keeps what came of it: outputs into the store, then the record, then the lock. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import { Retention } from '../environment/retained.ts';
import { EXIT } from '../errors.ts';
import type { StepResult } from '../events.ts';
import { where } from '../ledger/provenance.ts';
import { RECORD_FORMAT, type RunRecord, type StoredRecord } from '../ledger/record.ts';
import { type Assessment, pipelinePath } from './assess.ts';
import { rowsOf } from './inputs.ts';
import { endOrphan } from './orphans.ts';
import { type Outcome, outcomeOfError } from './outcome.ts';
import { putInPlace, safeName } from './outputs.ts';
import { executeProgram } from './program-step.ts';
import { environmentOf, locationOf, type Provenance, type StepContext } from './step-context.ts';
import { executeTraining } from './training-step.ts';

/** Runs the step whatever its state, records it, and answers how it ended. Never throws for what the step does. */
export async function runStep(context: StepContext, assessment: Assessment): Promise<StepResult> {
  const { world, plan } = context;
  const { step, key, inputs, environment } = assessment;
  const started = new Date();
  // Looked at as the step begins, while it works.
  const provenance = context.provenance();
  // Awaited only when the step has ended; until then a failure is nobody's.
  provenance.catch(() => undefined);
  const folder = join(world.store.folder, 'runs', `${safeName(step.name)}-${key.slice(7, 23)}`);
  if (context.fresh) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  endOrphan(folder);
  for (const input of inputs) {
    if (input.source.kind !== 'data' || input.rows !== undefined) continue;
    const rows = await rowsOf(plan.data[input.source.data], input.location);
    if (rows !== undefined) input.rows = rows;
  }
  for (const message of environment.warnings) context.emit({ type: 'step-warning', step: step.name, message });

  const retention = new Retention(world.retained, {
    wanted: environmentOf(plan, step)?.retain === true,
    scratch: join(folder, 'retain'),
    signal: context.signal,
    warn: (message) => context.emit({ type: 'step-warning', step: step.name, message }),
  });
  let outcome: Outcome;
  try {
    outcome =
      step.kind === 'program'
        ? await executeProgram(context, assessment, step, folder, retention)
        : await executeTraining(context, assessment, folder, retention);
  } catch (error) {
    outcome = outcomeOfError(error);
  }
  const record = await recordOf(context, assessment, outcome, {
    started,
    ended: new Date(),
    provenance: await provenance,
    retained: retention.recorded(),
  });
  const digest = await world.ledger.append(record);
  if (record.exit.status === 'ok') {
    await world.ledger.lock(context.file, { digest, record });
    await putInPlace(context, step, record.outputs);
    rmSync(folder, { recursive: true, force: true });
  }
  return resultOf(context, assessment, outcome, { digest, record });
}

/** What the record says that neither the assessment nor the outcome knows. */
interface Circumstances {
  started: Date;
  ended: Date;
  provenance: Provenance;
  retained: ReturnType<Retention['recorded']>;
}

/** The record of a step that has ended. What it names lies in the store when this answers. */
async function recordOf(
  context: StepContext,
  { step, key, parts, reason, inputs, environment }: Assessment,
  outcome: Outcome,
  { started, ended, provenance, retained }: Circumstances,
): Promise<RunRecord> {
  const { world, plan } = context;
  return {
    format: RECORD_FORMAT,
    run: context.run,
    step: step.name,
    kind: step.kind,
    pipeline: { name: plan.pipeline, file: pipelinePath(context), digest: context.digest },
    key,
    keyParts: (await world.store.putBytes(canonicalJson(parts))).digest,
    reason,
    plan: (await world.store.putBytes(canonicalJson(plan))).digest,
    who: provenance.who,
    where: where(),
    when: {
      started: started.toISOString(),
      ended: ended.toISOString(),
      seconds: (ended.getTime() - started.getTime()) / 1000,
    },
    code: provenance.code,
    inputs: onceByName(inputs).map(({ name, digest, bytes, path, rows, record: from }) => ({
      name,
      digest,
      bytes,
      ...(path === undefined ? {} : { path }),
      ...(rows === undefined ? {} : { rows }),
      ...(from === undefined ? {} : { record: from }),
    })),
    parameters: plan.parameters,
    environment: {
      ...environment.recorded,
      evidence: { ...environment.recorded.evidence, ...outcome.evidence },
      ...(retained === undefined ? {} : { retained }),
    },
    engine: outcome.engine,
    outputs: outcome.outputs,
    metrics: outcome.metrics,
    gates: outcome.gates,
    exit: outcome.exit,
    undeclaredReads: outcome.undeclaredReads,
    ...(outcome.log === undefined ? {} : { log: outcome.log }),
  };
}

function resultOf(
  context: StepContext,
  { step, key, reason }: Assessment,
  { todo, cannot }: Outcome,
  { digest, record }: StoredRecord,
): StepResult {
  const ok = record.exit.status === 'ok';
  return {
    type: 'step-finished',
    step: step.name,
    status: ok ? 'ran' : record.exit.status === 'cancelled' ? 'cancelled' : 'failed',
    reason,
    key,
    seconds: record.when.seconds,
    record: digest,
    outputs: Object.fromEntries(
      Object.entries(record.outputs).map(([name, { digest: object, bytes }]) => [name, { digest: object, bytes }]),
    ),
    metrics: record.metrics,
    engine: record.engine,
    ...(ok
      ? {}
      : {
          error: {
            message: record.exit.message ?? 'It failed.',
            ...(todo ? { todo } : {}),
            ...(cannot ? { exit: EXIT.usage } : {}),
            ...locationOf(context, step.block),
          },
        }),
  };
}

/** A data set that plays two parts is one input. */
function onceByName<Input extends { name: string }>(inputs: readonly Input[]): Input[] {
  return [...new Map(inputs.map((input) => [input.name, input])).values()];
}

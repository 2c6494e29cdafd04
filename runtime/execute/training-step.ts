/** Executes a training or an evaluation: a worker does the work, what it leaves goes into the store, its gates decide. */
import { join } from 'node:path';
import type { Retention } from '../environment/retained.ts';
import type { RecordedGate } from '../ledger/record.ts';
import { metric, metricValue } from '../words.ts';
import type { Assessment } from './assess.ts';
import type { Outcome } from './outcome.ts';
import type { StepContext } from './step-context.ts';
import { provideEngine, runWorker, trainingJob } from './training.ts';

/**
 * Runs a training or an evaluation to its end.
 *
 * @param folder the run folder: a training that was killed goes on from the checkpoint that lies there
 * @throws MlpipeError as `trainingJob`, `provideEngine` and `runWorker`; a gate that is not passed is an outcome
 */
export async function executeTraining(
  context: StepContext,
  { step, inputs, reason }: Assessment,
  folder: string,
  retention: Retention,
): Promise<Outcome> {
  if (step.kind === 'program') throw new TypeError('A program is not trained.');
  const { store } = context.world;
  context.emit({ type: 'step-progress', step: step.name, phase: 'reading data', share: 0 });
  const job = await trainingJob(context.plan, step, inputs, store, folder, !context.fresh);
  await provideEngine(
    job,
    retention,
    (phase, share) => context.emit({ type: 'step-progress', step: step.name, phase, share }),
    context.signal,
  );
  const done = await runWorker(
    job,
    {
      onStart: (pid) => context.emit({ type: 'step-started', step: step.name, reason, pid }),
      onMessage: (message) =>
        context.emit(
          message.type === 'warning'
            ? { type: 'step-warning', step: step.name, message: message.message }
            : { ...message, type: 'step-progress', step: step.name },
        ),
      onOutput: (stream, text) => context.emit({ type: 'step-output', step: step.name, stream, text }),
    },
    context.signal,
    context.conditions,
  );
  const outputs: Outcome['outputs'] = {};
  for (const [name, path] of Object.entries(done.outputs)) {
    const { digest, bytes } = await store.put(join(folder, path));
    outputs[name] = { digest, bytes };
  }
  const missed = step.replicateOf === undefined ? done.gates.filter(({ ok }) => !ok) : [];
  return {
    outputs,
    metrics: done.metrics,
    gates: done.gates,
    engine: {
      name: job.engine.name === 'tensorflow' || job.engine.name === 'webgpu' ? job.engine.name : 'wasm',
      version: done.engine.version,
    },
    evidence: { engine: { ...done.engine.identity, ...done.engine.evidence }, ...done.notes },
    undeclaredReads: [],
    exit:
      missed.length === 0
        ? { status: 'ok', code: 0 }
        : { status: 'failed', code: 1, message: `The gate is not passed: ${missed.map(gateText).join(', ')}.` },
    ...(missed.length === 0 ? {} : { todo: TODO_GATE }),
  };
}

/** What to do where a gate is not passed. */
export const TODO_GATE = 'Better the model, or change the gate if it asks for what is not needed.';

function gateText({ metric: plain, class: label, operator, threshold, value }: RecordedGate): string {
  const name = label === undefined ? plain : `${plain}(class: ${label})`;
  return `${metric(name, value)}, not ${operator} ${metricValue(name, threshold)}`;
}

/**
 * The key of a step: the digest of everything that determines its result, and of nothing else. Equal keys mean that a
 * result may be taken from any earlier run, on any branch.
 *
 * What is left out, so that cosmetic edits rerun nothing: where a block stands, the names of the step, the model and
 * the environment, the paths of data that a training reads, resources, and how often a checkpoint is written.
 */
import { digestOfValue } from '../../grammar/plan/canonical.ts';
import type {
  ColumnPlan,
  DataPlan,
  DataReference,
  Digest,
  EvaluateStep,
  ModelPlan,
  Plan,
  ProgramStep,
  SplitPlan,
  StepPlan,
  TrainStep,
} from '../../grammar/plan/plan.ts';
import { PLAN_FORMAT } from '../../grammar/plan/plan.ts';
import type { RecordedInput } from '../ledger/record.ts';

/** Raised when a key means something else, so that each step runs once more. */
export const KEY_FORMAT = 'mlpipe-key/1';

/** What a key is the digest of. Stored as an object, so that a later run can say what has changed. */
export interface KeyParts {
  format: typeof KEY_FORMAT;
  plan: typeof PLAN_FORMAT;
  kind: StepPlan['kind'];
  /** The step's own facts: `epochs`, `optimizer`, `command`. */
  settings: Record<string, Json>;
  model?: { inputs: string[]; inputShape: number[]; layers: Json[]; outputShape: number[] };
  /** How each data set is read, by role (`on`, `validate`) or, for a program, by name. */
  data: Record<string, { schema: ColumnPlan[]; split?: SplitPlan; part?: string }>;
  /** By role, or by the name in the record for a program. */
  inputs: Record<string, Digest>;
  /** The environment's identity. */
  environment: Record<string, Json>;
}

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** An input as it is now: what the record will say of it, and what it is to the step. */
export interface InputState extends RecordedInput {
  role: string;
}

/** What a step reads, before anything is known of its content. */
export type InputSource =
  | { role: string; kind: 'data'; data: string }
  | { role: string; kind: 'file'; path: string }
  | { role: string; kind: 'output'; step: string; output: string };

/** Everything that a step reads, each once, in a fixed order. */
export function inputsOf(plan: Plan, step: StepPlan): InputSource[] {
  switch (step.kind) {
    case 'train':
      return dataRoles(plan, step).map(({ role, reference }) => dataSource(plan, role, reference.data));
    case 'evaluate': {
      const inputs: InputSource[] = [{ role: 'model', kind: 'output', step: step.train, output: 'model' }];
      for (const { role, reference } of dataRoles(plan, step)) inputs.push(dataSource(plan, role, reference.data));
      return inputs;
    }
    case 'program': {
      const inputs: InputSource[] = [];
      const written = writers(plan);
      for (const path of step.reads) {
        const writer = written.get(path);
        if (writer === undefined || writer.step === step.name)
          inputs.push({ role: `file:${path}`, kind: 'file', path });
        else inputs.push({ role: `file:${path}`, kind: 'output', ...writer });
      }
      for (const { step: name, output } of step.inputs) {
        inputs.push({ role: `output:${name}.${output}`, kind: 'output', step: name, output });
      }
      for (const name of step.data) inputs.push(dataSource(plan, `data:${name}`, name));
      return inputs;
    }
  }
}

/** The steps that must have run before this one: what it names, and who writes a file that it reads. */
export function needsOf(plan: Plan, step: StepPlan): string[] {
  const needs = new Set(step.needs);
  for (const input of inputsOf(plan, step)) if (input.kind === 'output') needs.add(input.step);
  needs.delete(step.name);
  return [...needs].sort();
}

/** Which data sets a training or an evaluation reads, and as what. */
export function dataRoles(plan: Plan, step: TrainStep | EvaluateStep): { role: string; reference: DataReference }[] {
  const roles = [{ role: 'on', reference: step.on }];
  if (step.kind === 'train') {
    if (step.validate !== undefined) roles.push({ role: 'validate', reference: step.validate });
    const model = plan.models[step.model];
    if (model !== undefined && !roles.some(({ reference }) => reference.data === model.data)) {
      roles.push({ role: 'model', reference: { data: model.data } });
    }
  }
  return roles;
}

/** What determines the result of a step whose inputs are all there. */
export function keyParts(
  plan: Plan,
  step: StepPlan,
  inputs: readonly InputState[],
  environment: Record<string, unknown>,
): KeyParts {
  const data: KeyParts['data'] = {};
  let model: KeyParts['model'];
  if (step.kind === 'program') {
    // A program sees files, not columns: how its data is typed and split changes nothing for it.
    for (const name of step.data) data[name] = { schema: [] };
  } else {
    for (const { role, reference } of dataRoles(plan, step)) {
      data[role] = dataParts(plan.data[reference.data], reference);
    }
    const trained = step.kind === 'train' ? step : plan.steps[step.train];
    if (trained?.kind === 'train') model = modelParts(plan.models[trained.model]);
  }
  return {
    format: KEY_FORMAT,
    plan: PLAN_FORMAT,
    kind: step.kind,
    settings: settingsOf(plan, step),
    ...(model === undefined ? {} : { model }),
    data,
    inputs: Object.fromEntries(inputs.map(({ role, digest }) => [role, digest])),
    environment: plainJson(environment),
  };
}

/** The key itself. */
export function keyOf(parts: KeyParts): Digest {
  return digestOfValue(parts);
}

function settingsOf(plan: Plan, step: StepPlan): Record<string, Json> {
  switch (step.kind) {
    case 'train':
      return trainSettings(step);
    case 'evaluate': {
      const train = plan.steps[step.train];
      return plainJson({
        // How near a reproduction must come (`within`) is asked later and changes nothing here.
        gates: step.gates.map(({ within: _, ...gate }) => gate),
        ...(train?.kind === 'train' ? { target: train.target, loss: train.loss } : {}),
      });
    }
    case 'program':
      return programSettings(step);
  }
}

function trainSettings(step: TrainStep): Record<string, Json> {
  const { target, loss, optimizer, schedule, weights, epochs, batch, seed, stop } = step;
  return plainJson({ target, loss, optimizer, schedule, weights, epochs, batch, seed, stop });
}

function programSettings(step: ProgramStep): Record<string, Json> {
  return plainJson({ command: step.command, variables: step.variables, writes: step.writes });
}

function dataParts(data: DataPlan | undefined, reference: DataReference): KeyParts['data'][string] {
  return {
    schema: data?.schema ?? [],
    // A split decides nothing for a step that takes the whole set.
    ...(data?.split === undefined || reference.part === undefined ? {} : { split: data.split }),
    ...(reference.part === undefined ? {} : { part: reference.part }),
  };
}

function modelParts(model: ModelPlan | undefined): KeyParts['model'] {
  if (model === undefined) return undefined;
  return {
    inputs: model.inputs,
    inputShape: model.inputShape,
    layers: model.layers.map((layer) => plainJson({ layer: layer.layer, arguments: layer.arguments })),
    outputShape: model.outputShape,
  };
}

function dataSource(plan: Plan, role: string, name: string): InputSource {
  const source = plan.data[name]?.source;
  return source?.kind === 'output'
    ? { role, kind: 'output', step: source.step, output: source.output }
    : { role, kind: 'data', data: name };
}

/** Who writes which path. */
function writers(plan: Plan): Map<string, { step: string; output: string }> {
  const result = new Map<string, { step: string; output: string }>();
  for (const step of Object.values(plan.steps)) {
    if (step.kind !== 'program') continue;
    for (const { name, path } of step.writes) result.set(path, { step: step.name, output: name });
  }
  return result;
}

/** Without what is undefined, as JSON would have it. */
function plainJson(value: Record<string, unknown>): Record<string, Json> {
  // Plans and identities are plain data by their contract, so the round trip loses nothing but `undefined`.
  return JSON.parse(JSON.stringify(value)) as Record<string, Json>;
}

/** Environments, data and models as plans. Each function answers `undefined` where the block is not whole. */
import * as ast from '../../generated/ast.ts';
import { outputsOf, partsOf } from '../../scoping/declarations.ts';
import { targetOf } from '../../scoping/targets.ts';
import { columnPlanOf, sizeOf } from '../../typing/columns.ts';
import { type Bindings, evaluate } from '../../typing/evaluate.ts';
import { inferModel, type LayerInfo } from '../../typing/model.ts';
import { inBaseUnits, meaningOfUnit } from '../../typing/units.ts';
import type {
  DataPlan,
  Digest,
  EnvironmentPlan,
  ImagePlan,
  InterpreterPlan,
  LayerPlan,
  ModelPlan,
  ResourcesPlan,
  SourcePlan,
  SplitPlan,
} from '../plan.ts';
import { isUrl, type Names } from './names.ts';

export function environmentPlan(environment: ast.Environment, names: Names): EnvironmentPlan {
  const plan: EnvironmentPlan = { name: names.of(environment), interpreters: [] };
  for (const fact of environment.facts) {
    if (ast.isEngineFact(fact)) {
      const name = fact.engine?.$refText;
      if ((name === 'tensorflow' || name === 'webgpu' || name === 'wasm') && fact.version !== undefined) {
        plan.engine = { name, version: fact.version };
      }
    } else if (ast.isInterpreterFact(fact)) {
      plan.interpreters.push(interpreterPlan(fact, names));
    } else if (ast.isImageFact(fact)) {
      const image = imageOf(fact.reference) ?? { name: fact.reference ?? '' };
      plan.image = { ...image, ...(fact.network ? { network: true } : {}) };
    } else if (ast.isRetainFact(fact)) {
      plan.retain = true;
    } else if (ast.isHardwareFact(fact)) {
      const { time: _, ...amounts } = resourcesOf(fact.items.filter(ast.isQuantity));
      const classes = fact.items.filter(ast.isHardwareClass).flatMap(({ choice }) => choice?.$refText ?? []);
      plan.hardware = { classes: classes.sort(), ...amounts };
    } else if (ast.isResultsFact(fact)) {
      const level = fact.level?.$refText;
      if (level === 'repeatable' || level === 'close') plan.results = level;
    }
  }
  plan.interpreters.sort((a, b) => compareTexts(a.language, b.language));
  return plan;
}

function interpreterPlan(fact: ast.InterpreterFact, names: Names): InterpreterPlan {
  const plan: InterpreterPlan = { language: fact.language, version: fact.version ?? '' };
  if (fact.lock !== undefined) plan.lock = names.path(fact, fact.lock);
  const pin = digestOfPin(fact.digest);
  if (pin !== undefined) plan.pin = pin;
  return plan;
}

/** A name without a tag, an `@` and a whole digest: whatever else is written can be another image tomorrow. */
export function imageOf(reference: string | undefined): ImagePlan | undefined {
  const [, name, hexadecimal] = /^([a-z0-9][\w.:/-]*)@sha256:([0-9a-f]{64})$/i.exec(reference ?? '') ?? [];
  if (name === undefined || hexadecimal === undefined) return undefined;
  // Beside a digest a tag says nothing, and some runtimes refuse both together.
  return { name: name.replace(/:[\w.-]+$/, ''), digest: `sha256:${hexadecimal.toLowerCase()}` };
}

/** A whole SHA-256 pin in lower case; `undefined` for anything else. */
export function digestOfPin(written: string | undefined): Digest | undefined {
  const hexadecimal = /^sha256:([0-9a-fA-F]{64})$/.exec(written ?? '')?.[1];
  return hexadecimal === undefined ? undefined : `sha256:${hexadecimal.toLowerCase()}`;
}

const RESOURCE_OF_DIMENSION: Readonly<Record<string, keyof ResourcesPlan>> = {
  cpus: 'cpus',
  gpus: 'gpus',
  B: 'memory',
  s: 'time',
};

export function resourcesOf(items: readonly ast.Quantity[]): ResourcesPlan {
  const plan: ResourcesPlan = {};
  for (const item of items) {
    const meaning = meaningOfUnit(item.unit?.ref);
    const resource = meaning && RESOURCE_OF_DIMENSION[meaning.dimension];
    if (meaning && resource) plan[resource] = inBaseUnits(item.value, meaning);
  }
  return plan;
}

export function dataPlan(data: ast.Data, names: Names, bindings: Bindings): DataPlan | undefined {
  const source = sourcePlan(data, names, bindings);
  if (source === undefined) return undefined;
  const columns = data.facts.filter(ast.isSchemaFact).flatMap((schema) => schema.columns.map(columnPlanOf));
  if (!columns.every((column) => column !== undefined)) return undefined;
  const plan: DataPlan = { name: names.of(data), source, schema: columns };
  const pin = digestOfPin(data.facts.find(ast.isPinFact)?.digest);
  if (pin !== undefined) plan.pin = pin;
  const split = data.facts.find(ast.isSplitFact);
  if (split === undefined) return plan;
  const splitted = splitPlan(split, data, bindings);
  return splitted && { ...plan, split: splitted };
}

function sourcePlan(data: ast.Data, names: Names, bindings: Bindings): SourcePlan | undefined {
  const source = data.facts.find(ast.isFromFact)?.source;
  const target = targetOf(source);
  if (ast.isOutFact(target)) return { kind: 'output', step: names.of(target.$container), output: target.name };
  const text = evaluate(source, bindings);
  if (source === undefined || text?.kind !== 'text' || text.value === '') return undefined;
  return isUrl(text.value) ? { kind: 'url', url: text.value } : { kind: 'path', path: names.path(source, text.value) };
}

/** The parts by name, so that their order in the text means nothing. Without a seed it is 0. */
function splitPlan(split: ast.SplitFact, data: ast.Data, bindings: Bindings): SplitPlan | undefined {
  const parts = partsOf(data).map((part) => ({ name: part.name, share: evaluate(part.share, bindings) }));
  const shares = parts.flatMap(({ name, share }) => (share?.kind === 'number' ? [{ name, share: share.value }] : []));
  const seedFact = split.facts.find(ast.isSeedFact);
  const seed = seedFact === undefined ? 0 : evaluate(seedFact.value, bindings);
  if (shares.length !== parts.length || seed === undefined) return undefined;
  if (typeof seed !== 'number' && seed.kind !== 'number') return undefined;
  const plan: SplitPlan = {
    parts: shares.sort((a, b) => compareTexts(a.name, b.name)),
    seed: typeof seed === 'number' ? seed : seed.value,
  };
  const stratify = split.facts.find(ast.isStratifyFact)?.column?.ref;
  if (stratify !== undefined) plan.stratify = stratify.name;
  const group = split.facts.find(ast.isGroupFact)?.column?.ref;
  if (group !== undefined) plan.group = group.name;
  return plan;
}

/** The steps whose output a data set is. */
export function producersOf(data: ast.Data | undefined): ast.Step[] {
  const target = targetOf(data?.facts.find(ast.isFromFact)?.source);
  return ast.isOutFact(target) ? [target.$container] : [];
}

export function modelPlan(
  model: ast.Model,
  names: Names,
  dataName: (data: ast.Data) => string,
  bindings: Bindings,
): ModelPlan | undefined {
  const info = inferModel(model, bindings);
  if (info.data === undefined || info.inputShape === undefined || info.outputShape === undefined) return undefined;
  if (info.problem !== undefined) return undefined;
  return {
    name: names.of(model),
    data: dataName(info.data),
    inputs: info.inputs.map(({ column }) => column.name),
    inputShape: info.inputShape,
    layers: info.layers.flatMap(layerPlans),
    outputShape: info.outputShape,
    parameterCount: info.parameterCount,
  };
}

/**
 * A layer, with what the language understands silently spelled out: the channel that a picture of two dimensions is given
 * becomes a `reshape`, and flattening what is flat already becomes nothing.
 */
function layerPlans(info: LayerInfo): LayerPlan[] {
  if (info.layer === 'flatten' && info.input.length === 1) return [];
  const plan: LayerPlan = {
    layer: info.layer,
    arguments: info.arguments,
    outputShape: info.output,
    parameterCount: info.parameterCount,
  };
  if (info.input.length === info.given.length) return [plan];
  const reshape: LayerPlan = {
    layer: 'reshape',
    arguments: { shape: info.input },
    outputShape: info.input,
    parameterCount: 0,
  };
  return sizeOf(info.input) === sizeOf(info.given) ? [reshape, plan] : [plan];
}

export function outputNamed(step: ast.Step, name: string): ast.OutFact | undefined {
  return outputsOf(step).find((output) => output.name === name);
}

/** By code unit, the same in every locale. */
export function compareTexts(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

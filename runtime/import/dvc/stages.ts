/** The stages of a dvc.yaml, with `foreach`, `matrix` and every `${…}` written out. */
import fs from 'node:fs';
import { join, posix } from 'node:path';
import { EXIT, MlpipeError } from '../../errors.ts';
import { insideOf } from '../files.ts';
import { asList, asMap, asText, readYaml, unexpected, type Yaml } from '../yaml.ts';
import { type Context, expand, expandParts, expandValue, type TextPart, textOf } from './template.ts';

export interface DvcStage {
  /** As dvc.lock calls it: `train`, `report@us`. */
  name: string;
  /** One after the other; nothing where it could not be expanded, with why. */
  commands: TextPart[][] | { why: string };
  /** Where they run, relative to the folder of dvc.yaml. */
  folder: string;
  /** Relative to the folder of dvc.yaml, like all paths here. */
  deps: string[];
  /** Dependencies that are no paths of this machine: `s3://…`. */
  remoteDeps: string[];
  /** Files of parameters. */
  parameterFiles: string[];
  outs: DvcOut[];
  /** What DVC would do with it otherwise than mlpipe. */
  notes: string[];
}

export interface DvcOut {
  path: string;
  kind: 'out' | 'metric' | 'plot';
}

export interface DvcPipeline {
  stages: DvcStage[];
  /** The values of params.yaml and `vars`. */
  context: Context;
}

/** Stages of all expansions. */
const MOST_STAGES = 10_000;
const KNOWN = new Set('cmd wdir deps params outs metrics plots frozen always_changed vars desc meta'.split(' '));

/**
 * @param folder that dvc.yaml lies in
 * @param root of the project, which no path may leave
 * @throws MlpipeError `dvc-template`, `path-outside`, `yaml-broken`, `yaml-unexpected`, `dvc-stage-wrong`
 */
export function readStages(folder: string, root: string): DvcPipeline {
  const file = asMap(readYaml(join(folder, 'dvc.yaml'), root), 'dvc.yaml');
  const context = contextOf(file.get('vars'), folder, root);
  const stages: DvcStage[] = [];
  for (const [name, definition] of asMap(file.get('stages'), 'stages in dvc.yaml')) {
    for (const each of expansionsOf(name, definition, context)) {
      stages.push(stageOf(each, folder, root));
      if (stages.length > MOST_STAGES) throw wrong(name, `there are more than ${MOST_STAGES} stages`);
    }
  }
  return { stages, context };
}

function contextOf(vars: Yaml | undefined, folder: string, root: string): Context {
  const found = new Map<string, Yaml>();
  const add = (values: ReadonlyMap<string, Yaml>) => {
    for (const [name, value] of values) found.set(name, value);
  };
  if (fs.existsSync(join(folder, 'params.yaml')))
    add(asMap(readYaml(join(folder, 'params.yaml'), root), 'params.yaml'));
  for (const each of asList(vars, 'vars in dvc.yaml')) {
    if (typeof each !== 'string') {
      add(asMap(each, 'an entry of vars'));
      continue;
    }
    const [path = '', keys] = each.split(':');
    const values = asMap(readYaml(join(folder, insideOf(root, folder, path, 'vars in dvc.yaml')), root), path);
    const wanted = keys?.split(',').map((key) => key.trim());
    add(wanted === undefined ? values : new Map([...values].filter(([name]) => wanted.includes(name))));
  }
  return found;
}

// ---------------------------------------------------------------- foreach, matrix

interface Expansion {
  name: string;
  definition: ReadonlyMap<string, Yaml>;
  context: Context;
}

function expansionsOf(name: string, raw: Yaml, context: Context): Expansion[] {
  const definition = asMap(raw, `the stage ${name}`);
  const each = definition.get('foreach');
  if (each !== undefined) {
    const body = asMap(definition.get('do'), `\`do\` of the stage ${name}`);
    const items = expandValue(each, context);
    if (items instanceof Map) {
      return [...items].map(([key, item]) => expansion(name, key, body, context, { item, key }));
    }
    return asList(items, `foreach of the stage ${name}`).map((item, index) => {
      const plain = typeof item === 'object' && item !== null && (item instanceof Map || Array.isArray(item));
      return expansion(name, plain ? String(index) : textOf(item, 'item'), body, context, { item });
    });
  }
  const matrix = definition.get('matrix');
  if (matrix === undefined) return [{ name, definition, context }];
  const body = new Map([...definition].filter(([key]) => key !== 'matrix'));
  const axes = [...asMap(expandValue(matrix, context), `matrix of the stage ${name}`)];
  let combinations: [string, Yaml, string][][] = [[]];
  for (const [axis, values] of axes) {
    const list = asList(values, `${axis} in the matrix of the stage ${name}`);
    combinations = combinations.flatMap((before) =>
      list.map((value, index): [string, Yaml, string][] => {
        const isPlain = !(Array.isArray(value) || value instanceof Map);
        return [...before, [axis, value, isPlain ? textOf(value, axis) : `${axis}${index}`]];
      }),
    );
    if (combinations.length > MOST_STAGES) throw wrong(name, 'its matrix is too large');
  }
  return combinations.map((chosen) => {
    const item = new Map(chosen.map(([axis, value]) => [axis, value]));
    const key = chosen.map(([, , text]) => text).join('-');
    return expansion(name, key, body, context, { item, key });
  });
}

function expansion(
  name: string,
  suffix: string,
  definition: ReadonlyMap<string, Yaml>,
  context: Context,
  own: Record<string, Yaml>,
): Expansion {
  return { name: `${name}@${suffix}`, definition, context: new Map([...context, ...Object.entries(own)]) };
}

// ---------------------------------------------------------------- one stage

function stageOf({ name, definition, context: outer }: Expansion, folder: string, root: string): DvcStage {
  const own = asList(definition.get('vars'), `vars of the stage ${name}`).flatMap((each) =>
    each instanceof Map ? [...each] : [],
  );
  const context: Context = new Map([...outer, ...own]);
  const what = `The stage ${name} in dvc.yaml`;
  const text = (value: Yaml) => expand(asText(value, what), context);
  const wdir = definition.get('wdir');
  const work = wdir === undefined ? '.' : insideOf(root, folder, text(wdir), what);
  const place = (path: string) => posix.join(work, insideOf(root, join(folder, work), path, what));
  const outs = (['outs', 'metrics', 'plots'] as const).flatMap((section) =>
    asList(definition.get(section), `${section} of the stage ${name}`).flatMap((each): DvcOut[] => {
      const [path] = each instanceof Map ? each.keys() : [asText(each, what)];
      if (path === undefined) throw wrong(name, `an entry of ${section} names nothing`);
      const kind = section === 'outs' ? 'out' : section === 'metrics' ? 'metric' : 'plot';
      return isRemote(path) ? [] : [{ path: place(expand(path, context)), kind }];
    }),
  );
  const deps = asList(definition.get('deps'), `deps of the stage ${name}`).map(text);
  return {
    name,
    commands: commandsOf(definition.get('cmd'), name, context),
    folder: work,
    deps: deps.filter((path) => !isRemote(path)).map(place),
    remoteDeps: deps.filter(isRemote),
    parameterFiles: parameterFilesOf(definition.get('params'), name, context).map(place),
    outs: [...new Map(outs.map((out) => [out.path, out])).values()],
    notes: notesOf(definition),
  };
}

function commandsOf(raw: Yaml | undefined, name: string, context: Context): DvcStage['commands'] {
  const commands = Array.isArray(raw) ? raw : raw === undefined || raw === null ? [] : [raw];
  if (commands.length === 0) throw wrong(name, 'it has no cmd');
  const texts = commands.map((command) => asText(command, `cmd of the stage ${name}`));
  try {
    return texts.map((command) => expandParts(command.trim(), context));
  } catch (error) {
    if (!(error instanceof MlpipeError) || error.code !== 'dvc-template') throw error;
    return { why: error.message };
  }
}

function parameterFilesOf(raw: Yaml | undefined, name: string, context: Context): string[] {
  const files = new Set<string>();
  for (const each of asList(raw, `params of the stage ${name}`)) {
    if (each instanceof Map) for (const file of each.keys()) files.add(expand(file, context));
    else if (typeof each === 'string') files.add('params.yaml');
    else throw unexpected(`An entry of params of the stage ${name}`, 'a text or a map');
  }
  return [...files];
}

function notesOf(definition: ReadonlyMap<string, Yaml>): string[] {
  const notes: string[] = [];
  if (definition.get('frozen') === true) notes.push('it is frozen: DVC would not run it');
  if (definition.get('always_changed') === true) notes.push('DVC would run it each time');
  const persists = asList(definition.get('outs'), 'outs').some(
    (each) =>
      each instanceof Map && [...each.values()].some((flags) => flags instanceof Map && flags.get('persist') === true),
  );
  if (persists) notes.push('an output persists: DVC would hand the program what it wrote last');
  const unknown = [...definition.keys()].filter((key) => !KNOWN.has(key));
  if (unknown.length > 0) notes.push(`not taken over: ${unknown.join(', ')}`);
  return notes;
}

export function isRemote(path: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(path);
}

function wrong(name: string, why: string): MlpipeError {
  return new MlpipeError(`The stage ${name} in dvc.yaml cannot be used: ${why}.`, {
    code: 'dvc-stage-wrong',
    todo: 'Correct it, so that `dvc repro` can run it, too.',
    exit: EXIT.usage,
  });
}

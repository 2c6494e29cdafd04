/**
 * Two keys of a step as two texts that a person compares line by line: what it read, its settings, its model, how the
 * data is read, and its environment. A line stands in both where what it says of is part of both keys, and no line
 * differs that does not make the keys differ.
 */
import type { ColumnPlan, Digest, PlanValue } from '../../grammar/plan/plan.ts';
import type { RecordedInput } from '../ledger/record.ts';
import { count, size } from '../words.ts';
import type { Json, KeyParts } from './keys.ts';

export interface KeySide {
  /** Nothing where the object is gone. */
  parts: KeyParts | null;
  inputs: readonly RecordedInput[];
  parameters: Record<string, PlanValue>;
}

/** Both sides at once: names, which are no part of a key, must be the same on both. */
export function keyTexts(before: KeySide, after: KeySide): { before: string; after: string } {
  const known = contentsOf([before, after]);
  const names = namesOf([before, after]);
  const parameters = parametersOf(before, after);
  const text = (side: KeySide, values: Record<string, string>): string =>
    side.parts === null
      ? gone(side, known)
      : [
          section('inputs', inputLines(side.parts, names, known)),
          section(side.parts.kind === 'program' ? 'program' : 'settings', settingLines(side.parts)),
          section('parameters', lines(values)),
          section('model', modelLines(side.parts)),
          section('how the data is read', readingLines(side.parts)),
          section('environment', lines(flat(side.parts.environment))),
          section('format', [`key  ${side.parts.format}`, `plan  ${side.parts.plan}`]),
        ].join('');
  return { before: text(before, parameters.before), after: text(after, parameters.after) };
}

/** What a record says of itself where what its key was computed from is lost. */
function gone({ inputs }: KeySide, known: ReadonlyMap<string, string>): string {
  const words = 'What this run depended on is no longer in the store. Its record still knows what it read:\n\n';
  return words + section('inputs', inputs.map(({ name, digest }) => `${name}  ${known.get(digest) ?? digest}`).sort());
}

function section(title: string, content: readonly string[]): string {
  return content.length === 0 ? '' : `${title}\n${content.map((line) => `  ${line}\n`).join('')}\n`;
}

/** `name  value`, sorted by name. */
function lines(values: Record<string, string>): string[] {
  return Object.keys(values)
    .sort()
    .map((name) => `${name}  ${values[name]}`);
}

// ---------------------------------------------------------------- inputs

/** `1,797 rows, 259 KiB, sha256:…` by digest, so that what only one side has counted stands on both. */
function contentsOf(sides: readonly KeySide[]): Map<string, string> {
  const known = new Map<string, string>();
  const all = sides.flatMap(({ inputs }) => inputs);
  for (const { digest, bytes } of all) {
    const rows = all.find((each) => each.digest === digest && each.rows !== undefined)?.rows;
    known.set(digest, `${rows === undefined ? '' : `${count(rows)} rows, `}${size(bytes)}, ${digest}`);
  }
  return known;
}

/** What is called how, by its role; the later name counts. */
function namesOf(sides: readonly KeySide[]): Map<string, string> {
  const names = new Map<string, string>();
  for (const { parts, inputs } of sides) {
    for (const [role, digest] of Object.entries(parts?.inputs ?? {})) {
      const name = inputs.find((each) => each.digest === digest)?.name;
      if (name !== undefined) names.set(role, name === role ? role : `${role} (${name})`);
    }
  }
  return names;
}

function inputLines(parts: KeyParts, names: ReadonlyMap<string, string>, known: ReadonlyMap<string, string>): string[] {
  const shown = (role: string, digest: Digest): [string, string] => [
    names.get(role) ?? role,
    known.get(digest) ?? digest,
  ];
  return lines(Object.fromEntries(Object.entries(parts.inputs).map(([role, digest]) => shown(role, digest))));
}

// ---------------------------------------------------------------- settings, parameters

function settingLines({ settings }: KeyParts): string[] {
  const { command, variables, ...rest } = settings;
  const programs = isObject(variables) ? variables : {};
  return lines({
    ...flat(rest),
    ...(command === undefined ? {} : { command: commandText(command) }),
    ...Object.fromEntries(Object.entries(programs).map(([name, value]) => [`variable ${name}`, commandText(value)])),
  });
}

/** As it is written in the pipeline; of a secret its name, which is all that a key has of it. */
function commandText(command: Json): string {
  if (!Array.isArray(command)) return shown(command);
  return command
    .map((part) => {
      if (!isObject(part)) return shown(part);
      switch (part.kind) {
        case 'text':
          return shown(part.text ?? '');
        case 'value':
          return shown(part.value ?? '');
        case 'input':
          return `\${${shown(part.step ?? '')}.${shown(part.output ?? '')}}`;
        default:
          return `\${${shown(part.name ?? part.data ?? part.kind ?? '')}}`;
      }
    })
    .join('')
    .replaceAll('\n', ' ');
}

/** A parameter of the pipeline that differs is shown where the step's settings have both of its values. */
function parametersOf(
  before: KeySide,
  after: KeySide,
): { before: Record<string, string>; after: Record<string, string> } {
  const [old, now] = [flat(before.parts?.settings ?? {}), flat(after.parts?.settings ?? {})];
  const found: ReturnType<typeof parametersOf> = { before: {}, after: {} };
  for (const name of new Set([...Object.keys(before.parameters), ...Object.keys(after.parameters)])) {
    const [one, other] = [before.parameters[name], after.parameters[name]];
    if (one === undefined || other === undefined) continue;
    const [was, is] = [shown(one as Json), shown(other as Json)];
    const counts = Object.keys(old).some((path) => old[path] === was && now[path] === is);
    if (!counts) continue;
    found.before[name] = was;
    found.after[name] = is;
  }
  return found;
}

// ---------------------------------------------------------------- model, reading

function modelLines({ model }: KeyParts): string[] {
  if (model === undefined) return [];
  return [
    `input  ${model.inputs.join(', ')}`,
    `shape  [${model.inputShape.join(', ')}] → [${model.outputShape.join(', ')}]`,
    ...model.layers.map((layer, index) => `layer ${index + 1}  ${callText(layer)}`),
  ];
}

function callText(layer: Json): string {
  if (!isObject(layer)) return shown(layer);
  const given = isObject(layer.arguments) ? flat(layer.arguments) : {};
  const words = Object.keys(given).sort();
  return `${shown(layer.layer ?? '')}(${words.map((name) => `${name}: ${given[name]}`).join(', ')})`;
}

function readingLines({ data }: KeyParts): string[] {
  return Object.keys(data)
    .sort()
    .flatMap((role) => {
      const { schema = [], split, part } = data[role] ?? {};
      const { parts = [], ...rest } = split ?? {};
      return [
        // In the order of the file: it decides.
        ...schema.map((column) => `${role} column ${column.name}  ${columnText(column)}`),
        ...(part === undefined ? [] : [`${role} part  ${part}`]),
        ...parts.map(({ name, share }) => `${role} split ${name}  ${Number((share * 100).toPrecision(12))} %`),
        ...lines(flat(asJson(rest))).map((line) => `${role} split ${line}`),
      ];
    });
}

/** `float[8, 8] in 0 .. 16`, `class(3)`: as the language writes it. */
function columnText({ type, range }: ColumnPlan): string {
  const { kind, ...rest } = type;
  const detail = Object.values(rest).flat().join(', ');
  const open = kind === 'class' ? `(${detail})` : detail === '' ? '' : `[${detail}]`;
  return `${kind}${open}${range === undefined ? '' : ` in ${range.lower} .. ${range.upper}`}`;
}

// ---------------------------------------------------------------- values

/** By path, so that one change is one line: `optimizer.rate`. A call's own name stands at its path. */
function flat(value: Json, path = ''): Record<string, string> {
  const below = (name: string) => (path === '' ? name : `${path}.${name}`);
  if (isObject(value)) {
    const { name, arguments: given, ...rest } = value;
    if (typeof name === 'string' && isObject(given) && path !== '')
      return { [path]: name, ...flat(given, path), ...flat(rest, path) };
    return Object.assign({}, ...Object.keys(value).map((key) => flat(value[key] ?? null, below(key))));
  }
  if (Array.isArray(value) && value.some(isObject))
    return Object.assign({}, ...value.map((item, index) => flat(item, below(String(index + 1)))));
  return path === '' ? {} : { [path]: shown(value) };
}

function shown(value: Json): string {
  if (value === null) return 'none';
  return typeof value === 'string' ? value.replaceAll(/\s+/g, ' ') : JSON.stringify(value);
}

/** Plans are plain data by their contract; a key has been through JSON anyway. */
function asJson(value: unknown): { [key: string]: Json } {
  return JSON.parse(JSON.stringify(value)) as { [key: string]: Json };
}

function isObject(value: unknown): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

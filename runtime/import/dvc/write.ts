/** A DVC pipeline in the language. */
import type { Digest } from '../../../grammar/plan/plan.ts';
import { quote } from '../../execute/command-line.ts';
import { withoutUrlCredentials } from '../../ledger/credentials.ts';
import { escaped, quoted } from '../names.ts';
import { isNumber, type Yaml } from '../yaml.ts';
import type { NamedPipeline, NamedStage } from './links.ts';
import type { Context, TextPart } from './template.ts';

export interface WrittenParts {
  pipeline: NamedPipeline;
  context: Context;
  /** By the name of the data; what DVC has no digest of is not pinned. */
  pins: ReadonlyMap<string, Digest>;
  /** What could not be expanded, as dvc.lock has it. */
  commands: ReadonlyMap<string, readonly string[]>;
}

/** Words that the shell and the language read alike, quoted or not. */
const PLAIN = /^[\w@%+=:,./-]+$/;

export function pipelineText({ pipeline, context, pins, commands }: WrittenParts): string {
  const parameters = new Parameters(pipeline, context);
  const steps = pipeline.stages.map((stage) => stepText(stage, commandOf(stage, parameters, commands)));
  const data = pipeline.data.map(({ name, file }) => {
    const pin = pins.get(name);
    return block(`data ${name}`, [
      ...(file.from === undefined ? [] : [`// It came from ${comment(withoutUrlCredentials(file.from))}.`]),
      `from ${quoted(file.path)}`,
      ...(pin === undefined ? [] : [`pin ${pin}`]),
    ]);
  });
  return [
    '// Imported from dvc.yaml. Each step is one of DVC’s stages, `foreach` and `matrix` written out.',
    `pipeline ${pipeline.name}`,
    '',
    ...parameters.lines(),
    ...data,
    ...steps,
  ].join('\n');
}

function block(head: string, facts: readonly string[]): string {
  return `${head} {\n${facts.map((fact) => `  ${fact}\n`).join('')}}\n`;
}

function stepText({ name, stage, outs, inputs, reads }: NamedStage, command: string): string {
  const unnamed = inputs.filter(({ reference }) => !command.includes(`\${${reference}}`));
  const notes = [
    ...stage.notes,
    ...stage.remoteDeps.map((path) => `it also depends on ${withoutUrlCredentials(path)}`),
  ];
  return block(`step ${name}`, [
    ...notes.map((note) => `// DVC: ${comment(note)}.`),
    `run "${command}"`,
    ...(reads.length === 0 ? [] : [`reads ${reads.map(quoted).join(', ')}`]),
    ...outs.map((out) => `writes ${out.name} ${quoted(out.path)}`),
    ...(unnamed.length === 0
      ? []
      : [
          '// Found by their paths; what names them makes them inputs.',
          ...unnamed.map(({ reference }) => `variable ${variableOf(reference)} = "\${${reference}}"`),
        ]),
  ]);
}

/** Of a name that no program looks for by chance. */
function variableOf(reference: string): string {
  return `DEPENDENCY_${reference.replaceAll('.', '_').toUpperCase()}`;
}

function comment(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim();
}

// ---------------------------------------------------------------- commands

function commandOf(
  named: NamedStage,
  parameters: Parameters,
  recorded: ReadonlyMap<string, readonly string[]>,
): string {
  const { stage } = named;
  const known: TextPart[][] = Array.isArray(stage.commands)
    ? stage.commands
    : (recorded.get(stage.name) ?? []).map((text) => [{ kind: 'text', text }]);
  const written = (text: string) => (stage.folder === '.' ? withReferences(text, named) : escaped(text));
  const commands = known.map((parts) => {
    let command = '';
    let text = '';
    for (const part of parts) {
      const name = part.kind === 'value' ? parameters.nameOf(part) : undefined;
      // What became text is one with what stands beside it: `report-` and `us` may be a path together.
      if (name === undefined) text += part.text;
      else {
        command += `${written(text)}\${${name}}`;
        text = '';
      }
    }
    return command + written(text);
  });
  // `&&` binds as what joins them does.
  const plain = commands.every((command) => !/[;&#]|\|\||\\n/.test(command.replaceAll('&&', '')));
  const [only = ''] = commands;
  const all =
    commands.length > 1
      ? commands.map((command) => (plain ? command : `(${command}\\n)`)).join(' && ')
      : plain || stage.folder === '.'
        ? only
        : `(${only}\\n)`;
  return stage.folder === '.' ? all : `cd ${escaped(quote(stage.folder))} && ${all}`;
}

/** Paths of inputs and outputs become their names, where they stand alone. */
function withReferences(text: string, { inputs, outs }: NamedStage): string {
  const names = new Map<string, string>();
  for (const { path, reference } of inputs) if (PLAIN.test(path)) names.set(path, reference);
  for (const { path, name } of outs) if (PLAIN.test(path)) names.set(path, name);
  if (names.size === 0) return escaped(text);
  const paths = [...names.keys()]
    .sort((one, other) => other.length - one.length)
    .map((path) => path.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const pattern = new RegExp(`(?<![\\w./~$-])(${paths.join('|')})(?![\\w./-])`, 'g');
  let written = '';
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    written += `${escaped(text.slice(end, match.index))}\${${names.get(match[0]) ?? ''}}`;
    end = match.index + match[0].length;
  }
  return written + escaped(text.slice(end));
}

/** What commands take from params.yaml becomes `param`, as far as it comes out as DVC writes it. */
class Parameters {
  readonly #pipeline: NamedPipeline;
  readonly #context: Context;
  readonly #given = new Map<string, { name: string; value: string }>();

  constructor(pipeline: NamedPipeline, context: Context) {
    this.#pipeline = pipeline;
    this.#context = context;
  }

  nameOf({ key, text }: Extract<TextPart, { kind: 'value' }>): string | undefined {
    const known = this.#given.get(key);
    if (known !== undefined) return known.name;
    const value = valueText(at(this.#context, key), text);
    if (value === undefined) return undefined;
    const name = this.#pipeline.names.give(key);
    this.#given.set(key, { name, value });
    return name;
  }

  lines(): string[] {
    const lines = [...this.#given.values()].map(({ name, value }) => `param ${name} = ${value}`);
    return lines.length === 0 ? [] : [...lines, ''];
  }
}

function at(context: Context, key: string): Yaml | undefined {
  // These two are of an expansion, whatever else is called so.
  if (/^(item|key)\b/.test(key)) return undefined;
  let value: Yaml | undefined = context as Map<string, Yaml>;
  for (const step of key.split('.')) value = value instanceof Map ? value.get(step) : undefined;
  return value;
}

/** The value in the language, where it is put into a command as just this text; of `item` and `key` there is none. */
function valueText(value: Yaml | undefined, text: string): string | undefined {
  if (typeof value === 'string') return value === text && PLAIN.test(text) ? quoted(text) : undefined;
  if (typeof value === 'boolean') return String(value) === text ? text : undefined;
  if (isNumber(value)) return value.value >= 0 && String(value.value) === text ? text : undefined;
  return undefined;
}

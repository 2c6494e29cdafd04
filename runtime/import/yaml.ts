/** YAML as plain data, read with suspicion: bounded in size, depth and what aliases unfold to. */
import { relative } from 'node:path';
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseAllDocuments,
  type Scalar,
} from 'yaml';
import { EXIT, MlpipeError } from '../errors.ts';
import { readSmall } from './files.ts';

/** A number keeps how it was written: `1.0` and `1` are other texts in a command. */
export interface YamlNumber {
  value: number;
  source: string;
}

export type Yaml = string | boolean | null | YamlNumber | Yaml[] | Map<string, Yaml>;

/** A dvc.lock of a large project has some megabytes. */
const LARGEST = 64 * 2 ** 20;
const DEEPEST = 100;
/** Counted with all that aliases unfold to. */
const MOST_NODES = 5_000_000;

/**
 * A file's only document.
 *
 * @param root the folder to which messages name the file relative
 * @throws MlpipeError `yaml-broken` with where, and what `readSmall` throws
 */
export function readYaml(file: string, root: string): Yaml {
  const name = relative(root, file).replaceAll('\\', '/');
  return parseYaml(readSmall(file, LARGEST).toString('utf8'), name);
}

/** @throws MlpipeError `yaml-broken` */
export function parseYaml(text: string, name: string): Yaml {
  const lines = new LineCounter();
  let found: Document[];
  try {
    const documents = parseAllDocuments(text, {
      version: '1.2',
      lineCounter: lines,
      uniqueKeys: true,
      logLevel: 'silent',
    });
    // An empty stream is no list.
    found = Array.isArray(documents) ? documents : [];
  } catch (cause) {
    // The parser is recursive: a thousand brackets within each other are no data.
    throw broken(name, cause instanceof Error ? cause.message : String(cause));
  }
  const [document] = found;
  if (document === undefined) return null;
  const [error] = document.errors;
  if (error !== undefined) {
    const { line, col } = lines.linePos(error.pos[0]);
    throw broken(name, error.message.split('\n', 1)[0] ?? '', { line, column: col });
  }
  if (found.length > 1) throw broken(name, 'there is more than one document in it');
  return new Converter(document, name).convert(document.contents, 0);
}

class Converter {
  readonly #document: Document;
  readonly #name: string;
  /** Finding out what an alias means goes through the whole document. */
  readonly #meant = new Map<Alias, unknown>();
  #nodes = 0;

  constructor(document: Document, name: string) {
    this.#document = document;
    this.#name = name;
  }

  convert(node: unknown, depth: number): Yaml {
    this.#nodes += 1;
    if (this.#nodes > MOST_NODES) throw broken(this.#name, 'it unfolds to more than five million values');
    if (depth > DEEPEST) throw broken(this.#name, `it is more than ${DEEPEST} levels deep`);
    if (node === null || node === undefined) return null;
    if (isAlias(node)) {
      if (!this.#meant.has(node)) this.#meant.set(node, node.resolve(this.#document));
      return this.convert(this.#meant.get(node), depth + 1);
    }
    if (isScalar(node)) return this.#scalar(node);
    if (isSeq(node)) return node.items.map((item) => this.convert(item, depth + 1));
    if (isMap(node)) {
      const map = new Map<string, Yaml>();
      for (const { key, value } of node.items) map.set(this.#key(key, depth), this.convert(value, depth + 1));
      return map;
    }
    throw broken(this.#name, 'it holds what is neither a value, a list nor a map');
  }

  #key(node: unknown, depth: number): string {
    const key = this.convert(node, depth + 1);
    if (typeof key === 'string') return key;
    if (typeof key === 'boolean') return String(key);
    if (key !== null && 'source' in key && !Array.isArray(key)) return key.source;
    throw broken(this.#name, 'a key is no text');
  }

  #scalar({ value, source }: Scalar): Yaml {
    if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
    if (typeof value === 'number') return { value, source: source ?? String(value) };
    return source ?? String(value);
  }
}

// ---------------------------------------------------------------- looking at it

export function isNumber(value: Yaml | undefined): value is YamlNumber {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Map);
}

/** @throws MlpipeError `yaml-unexpected` */
export function asMap(value: Yaml | undefined, what: string): ReadonlyMap<string, Yaml> {
  if (value instanceof Map) return value;
  if (value === null || value === undefined) return new Map();
  throw unexpected(what, 'a map');
}

/** @throws MlpipeError `yaml-unexpected` */
export function asList(value: Yaml | undefined, what: string): readonly Yaml[] {
  if (Array.isArray(value)) return value;
  if (value === null || value === undefined) return [];
  throw unexpected(what, 'a list');
}

/** A number counts as how it was written. @throws MlpipeError `yaml-unexpected` */
export function asText(value: Yaml | undefined, what: string): string {
  if (typeof value === 'string') return value;
  if (isNumber(value)) return value.source;
  throw unexpected(what, 'a text');
}

/** The same as JSON has it. */
export function toJson(value: Yaml): unknown {
  if (value instanceof Map) return Object.fromEntries([...value].map(([name, each]) => [name, toJson(each)]));
  if (Array.isArray(value)) return value.map(toJson);
  if (!isNumber(value)) return value;
  return Number.isFinite(value.value) ? value.value : value.source;
}

export function unexpected(what: string, wanted: string): MlpipeError {
  return new MlpipeError(`${what} is not ${wanted}.`, {
    code: 'yaml-unexpected',
    todo: 'Correct it, so that the other tool reads it, too.',
    exit: EXIT.usage,
  });
}

function broken(name: string, why: string, at: { line: number; column: number } = { line: 1, column: 1 }): MlpipeError {
  return new MlpipeError(`${name} cannot be read as YAML: ${why.replace(/[.:]$/, '')}.`, {
    code: 'yaml-broken',
    todo: 'Correct the file, so that the other tool reads it, too.',
    where: { file: name, ...at },
    exit: EXIT.usage,
  });
}

/** Why a step will run, in one line. Everything here is a comparison of plain data. */
import { canonicalJson } from '../../grammar/plan/canonical.ts';
import type { PlanValue } from '../../grammar/plan/plan.ts';
import type { RunRecord } from '../ledger/record.ts';
import { count, listed, minute, size } from '../words.ts';
import type { InputState, Json, KeyParts } from './keys.ts';

/** What a step was when it ran last. */
export interface Before {
  record: RunRecord;
  /** Missing where the object is gone. */
  parts: KeyParts | null;
}

/** What it is now. */
export interface Now {
  parts: KeyParts;
  inputs: readonly InputState[];
  parameters: Record<string, PlanValue>;
}

/**
 * What has changed since a run, and what has not: `data/digits.csv changed: 1,797 → 1,798 rows; environment and
 * parameters the same`. Empty where nothing has.
 */
export function changesSince(before: Before, now: Now): string {
  const { parts } = before;
  if (parts === null) return `what the run ${before.record.run} depended on is no longer in the store`;
  if (parts.format !== now.parts.format || parts.plan !== now.parts.plan) {
    return `mlpipe computes this step differently since ${before.record.run}`;
  }
  const data = inputChanges(before, now, 'data');
  const files = inputChanges(before, now, 'file');
  const upstream = inputChanges(before, now, 'output');
  const reading = readingChanges(parts.data, now.parts.data);
  const model = modelChanges(parts, now.parts);
  const parameters = settingChanges(before, now);
  const environment = environmentChanges(parts.environment, now.parts.environment);
  const changes = [...data, ...reading, ...files, ...upstream, ...model, ...parameters, ...environment];
  if (changes.length === 0) return '';

  const same: string[] = [];
  if (data.length + reading.length === 0 && has(now, 'data')) same.push('data');
  if (model.length === 0 && now.parts.model !== undefined) same.push('model');
  if (environment.length === 0) same.push('environment');
  if (parameters.length === 0) same.push('parameters');
  const told = shorten(changes);
  return same.length === 0 ? told : `${told}; ${listed(same)} the same`;
}

/** `unchanged since 2026-11-23 10:12 (quiet-heron-41)` */
export function unchangedSince(record: RunRecord): string {
  return `unchanged since ${minute(record.when.ended)} (${record.run})`;
}

/** `the gate is not passed: loss 0.31, not <= 0.2; unchanged since 2026-11-23 10:12 (quiet-heron-41)` */
export function missedBefore(record: RunRecord): string {
  const missed = (record.exit.message ?? 'The gate is not passed').replace(/\.$/, '');
  return `${missed.charAt(0).toLowerCase()}${missed.slice(1)}; ${unchangedSince(record)}`;
}

/** How the last run ended badly, as a reason to try again. */
export function failedLastTime(record: RunRecord): string {
  const { status, code, signal } = record.exit;
  if (status === 'cancelled') return `cancelled last time (${record.run})`;
  if (signal !== undefined) return `failed last time (signal ${signal}, ${record.run})`;
  if (code !== undefined && code !== 0) return `failed last time (exit code ${code}, ${record.run})`;
  return `failed last time (${record.run})`;
}

// ---------------------------------------------------------------- inputs

function has(now: Now, kind: string): boolean {
  return now.inputs.some((input) => input.name.startsWith(`${kind}:`));
}

function inputChanges(before: Before, now: Now, kind: 'data' | 'file' | 'output'): string[] {
  const changes: string[] = [];
  const seen = new Set<string>();
  for (const input of now.inputs) {
    if (!input.name.startsWith(`${kind}:`) || seen.has(input.name)) continue;
    seen.add(input.name);
    // A renamed data set is the same input as long as it plays the same part.
    const known = before.parts?.inputs[input.role];
    if (known === input.digest) continue;
    const old = before.record.inputs.find(({ name }) => name === input.name);
    if (known === undefined && old === undefined) {
      changes.push(`${label(input)} is read now`);
      continue;
    }
    if (old?.digest === input.digest) continue;
    changes.push(`${label(input)} changed${howMuch(old, input)}`);
  }
  for (const old of before.record.inputs) {
    if (!old.name.startsWith(`${kind}:`)) continue;
    if (now.inputs.some(({ name, digest }) => name === old.name || digest === old.digest)) continue;
    if (now.inputs.some(({ role }) => before.parts?.inputs[role] === old.digest)) continue;
    changes.push(`${label(old)} is no longer read`);
  }
  return changes;
}

function label(input: { name: string; path?: string }): string {
  if (input.name.startsWith('output:')) return input.name.slice('output:'.length);
  return input.path ?? input.name.slice(input.name.indexOf(':') + 1);
}

function howMuch(
  old: { rows?: number; bytes: number } | undefined,
  input: { rows?: number; bytes: number; name: string },
): string {
  // The content of an upstream output is its own matter; that it differs is enough.
  if (old === undefined || input.name.startsWith('output:')) return '';
  if (old.rows !== undefined && input.rows !== undefined && old.rows !== input.rows) {
    return `: ${count(old.rows)} → ${count(input.rows)} rows`;
  }
  if (old.bytes !== input.bytes) return `: ${size(old.bytes)} → ${size(input.bytes)}`;
  const rows = input.rows === undefined ? '' : `, ${count(input.rows)} rows`;
  return `: other content, still ${size(input.bytes)}${rows}`;
}

function readingChanges(before: KeyParts['data'], now: KeyParts['data']): string[] {
  const changes = new Set<string>();
  for (const [role, entry] of Object.entries(now)) {
    const old = before[role];
    if (old === undefined) continue;
    if (!same(old.schema, entry.schema)) changes.add(`schema changed${schemaDetail(old.schema, entry.schema)}`);
    if (old.part !== entry.part) changes.add(`${role} ${old.part ?? 'everything'} → ${entry.part ?? 'everything'}`);
    else if (!same(old.split, entry.split)) changes.add('split changed');
  }
  return [...changes];
}

function schemaDetail(before: { name: string }[], now: { name: string }[]): string {
  for (const [index, column] of now.entries()) {
    const old = before.find(({ name }) => name === column.name);
    if (old === undefined) return `: column ${column.name} is new`;
    if (!same(old, column)) return `: column ${column.name}`;
    if (before[index]?.name !== column.name) continue;
  }
  const gone = before.find(({ name }) => !now.some((column) => column.name === name));
  return gone === undefined ? ': other order' : `: column ${gone.name} is gone`;
}

// ---------------------------------------------------------------- model, parameters, environment

function modelChanges(before: KeyParts, now: KeyParts): string[] {
  const old = before.model;
  const model = now.model;
  if (old === undefined || model === undefined || same(old, model)) return [];
  if (!same(old.inputs, model.inputs)) {
    return [`model changed: input ${old.inputs.join(', ')} → ${model.inputs.join(', ')}`];
  }
  if (old.layers.length !== model.layers.length) {
    return [
      `model changed: ${old.layers.length} → ${model.layers.length} layers${layerDetail(old.layers, model.layers)}`,
    ];
  }
  const changed = model.layers.flatMap((layer, index) => (same(old.layers[index], layer) ? [] : [index]));
  if (changed.length === 0) return ['model changed: shape of the input'];
  return changed.map(
    (index) => `model changed: layer ${index + 1}, ${layerChange(old.layers[index], model.layers[index])}`,
  );
}

function layerDetail(before: Json[], now: Json[]): string {
  const index = now.findIndex((layer, place) => !same(layer, before[place]));
  const longer = now.length > before.length;
  const place = index === -1 ? Math.min(before.length, now.length) : index;
  const name = layerName((longer ? now : before)[place]);
  return longer ? ` (${name} is new at ${place + 1})` : ` (${name} at ${place + 1} is gone)`;
}

function layerName(layer: Json | undefined): string {
  return isObject(layer) && typeof layer.layer === 'string' ? layer.layer : 'layer';
}

function layerChange(before: Json | undefined, now: Json | undefined): string {
  if (layerName(before) !== layerName(now)) return `${layerName(before)} → ${layerName(now)}`;
  const changes = differences(
    isObject(before) ? (before.arguments ?? {}) : {},
    isObject(now) ? (now.arguments ?? {}) : {},
    [],
  );
  return `${layerName(now)} ${changes.map(({ path, before: a, now: b }) => `${path.join('.')} ${a} → ${b}`).join(', ')}`;
}

function settingChanges(before: Before, now: Now): string[] {
  const changes: string[] = [];
  const explained = new Set<string>();
  const found = differences(before.parts?.settings ?? {}, now.parts.settings, []);
  // A parameter is named where its old and its new value are what has changed: that is what the person has edited.
  for (const [name, value] of Object.entries(now.parameters)) {
    const old = before.record.parameters[name];
    if (old === undefined || same(old, value)) continue;
    const caused = found.filter((change) => change.before === shown(old) && change.now === shown(value));
    if (caused.length === 0) continue;
    for (const change of caused) explained.add(change.path.join('.'));
    changes.push(`${name} ${shown(old)} → ${shown(value)}`);
  }
  for (const change of found) {
    if (explained.has(change.path.join('.'))) continue;
    const path = change.path.filter((word) => word !== 'arguments' && word !== 'name');
    if (path[0] === 'command') {
      if (!changes.includes('command changed')) changes.push('command changed');
      continue;
    }
    changes.push(`${path.join('.')} ${change.before} → ${change.now}`);
  }
  return changes;
}

function environmentChanges(before: Record<string, Json>, now: Record<string, Json>): string[] {
  return differences(before, now, []).map(
    (change) => `environment changed: ${change.path.join('.')} ${change.before} → ${change.now}`,
  );
}

interface Difference {
  path: string[];
  before: string;
  now: string;
}

function differences(before: Json, now: Json, path: string[]): Difference[] {
  if (same(before, now)) return [];
  if (isObject(before) && isObject(now)) {
    // A call of another name has other arguments; the name says it all.
    if (typeof before.name === 'string' && typeof now.name === 'string' && before.name !== now.name) {
      return [{ path, before: before.name, now: now.name }];
    }
    const keys = [...new Set([...Object.keys(before), ...Object.keys(now)])].sort();
    return keys.flatMap((key) => differences(before[key] ?? null, now[key] ?? null, [...path, key]));
  }
  if (Array.isArray(before) && Array.isArray(now) && before.length === now.length && now.some(isObject)) {
    return now.flatMap((item, index) => differences(before[index] ?? null, item, [...path, nameOf(item, index)]));
  }
  return [{ path, before: shown(before), now: shown(now) }];
}

function nameOf(item: Json, index: number): string {
  if (isObject(item)) for (const key of ['metric', 'name']) if (typeof item[key] === 'string') return item[key];
  return String(index + 1);
}

// ---------------------------------------------------------------- words

function shown(value: Json | PlanValue | undefined): string {
  if (value === null || value === undefined) return 'none';
  if (typeof value === 'string') return value;
  if (isObject(value) && typeof value.name === 'string') return value.name;
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

function shorten(changes: string[]): string {
  if (changes.length <= 4) return changes.join(', ');
  return `${changes.slice(0, 3).join(', ')} and ${changes.length - 3} more changes`;
}

function same(one: unknown, other: unknown): boolean {
  // Parts that come out of the store have their keys in another order.
  return canonicalJson(one ?? null) === canonicalJson(other ?? null);
}

function isObject(value: unknown): value is Record<string, Json> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** MLflow's file store: `mlruns/EXPERIMENT/RUN/`, a file for each parameter, metric and tag. */
import fs from 'node:fs';
import { join, relative } from 'node:path';
import { readSmall, strange } from '../files.ts';
import { asMap, asText, isNumber, readYaml, type Yaml } from '../yaml.ts';
import {
  type MlflowDataset,
  type MlflowRun,
  type MlflowValue,
  runAmbiguous,
  runUnknown,
  storeBroken,
  type TrackingStore,
} from './run.ts';

const LARGEST_TEXT = 4 * 2 ** 20;
const LARGEST_HISTORY = 256 * 2 ** 20;
const MOST_FILES = 200_000;

/** By the number that MLflow's file store writes. */
const STATUS: Record<string, string> = {
  '1': 'RUNNING',
  '2': 'SCHEDULED',
  '3': 'FINISHED',
  '4': 'FAILED',
  '5': 'KILLED',
};

/** @param from how the store is called in records */
export function openFileStore(folder: string, from: string): TrackingStore {
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    throw storeBroken(from, 'there is no such folder');
  return {
    from,
    find: async (reference) => readRun(findRun(folder, reference, from), folder),
    close: () => undefined,
  };
}

interface Place {
  experiment: string;
  run: string;
}

function findRun(folder: string, reference: string, from: string): Place {
  const found: Place[] = [];
  for (const experiment of foldersIn(folder)) {
    for (const run of foldersIn(join(folder, experiment))) {
      const meta = join(folder, experiment, run, 'meta.yaml');
      if (!fs.existsSync(meta)) continue;
      if (run === reference) return { experiment, run };
      const name = asMap(readYaml(meta, folder), 'meta.yaml').get('run_name');
      if (name === reference) found.push({ experiment, run });
    }
  }
  const [only] = found;
  if (only === undefined) throw runUnknown(reference, from);
  if (found.length > 1) {
    throw runAmbiguous(
      reference,
      found.map(({ run }) => run),
    );
  }
  return only;
}

function foldersIn(folder: string): string[] {
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && /^[0-9A-Za-z_-]+$/.test(entry.name))
    .map(({ name }) => name)
    .sort();
}

function readRun({ experiment, run }: Place, folder: string): MlflowRun {
  const place = join(folder, experiment, run);
  const meta = asMap(readYaml(join(place, 'meta.yaml'), folder), 'meta.yaml');
  const about = join(folder, experiment, 'meta.yaml');
  const experimentMeta = fs.existsSync(about) ? asMap(readYaml(about, folder), 'meta.yaml') : new Map<string, Yaml>();
  const texts = (section: string) =>
    Object.fromEntries(
      filesBelow(join(place, section)).map((name) => [
        name,
        readSmall(join(place, section, name), LARGEST_TEXT).toString('utf8'),
      ]),
    );
  const tags = texts('tags');
  const status = textOr(meta.get('status'), '');
  return {
    id: run,
    name: textOr(meta.get('run_name'), tags['mlflow.runName'] ?? ''),
    experiment: { id: experiment, name: textOr(experimentMeta.get('name'), experiment) },
    user: tags['mlflow.user'] ?? textOr(meta.get('user_id'), ''),
    status: STATUS[status] ?? status,
    deleted: meta.get('lifecycle_stage') === 'deleted',
    started: numberOr(meta.get('start_time')),
    ended: numberOr(meta.get('end_time')),
    artifacts: textOr(meta.get('artifact_uri'), ''),
    parameters: texts('params'),
    metrics: Object.fromEntries(
      filesBelow(join(place, 'metrics')).map((name) => [
        name,
        historyIn(readSmall(join(place, 'metrics', name), LARGEST_HISTORY).toString('utf8'), name),
      ]),
    ),
    tags,
    datasets: datasetsOf(join(folder, experiment), place, folder),
  };
}

/** `1795659258797 0.5 0`, a line a value. */
function historyIn(text: string, name: string): MlflowValue[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [time = '', value = '', step = '0'] = line.trim().split(/\s+/);
      if (!/^-?\d+$/.test(time) || !/^-?\d+$/.test(step)) throw storeBroken(`The metric ${name}`, 'a line is no value');
      return { time: Number(time), value: numberIn(value), step: Number(step) };
    });
}

/** As Python writes it: `nan`, `inf`, `-inf` among them. */
export function numberIn(text: string): number {
  const word = text.toLowerCase().replace(/infinity$/, 'inf');
  if (word === 'inf' || word === '+inf') return Number.POSITIVE_INFINITY;
  if (word === '-inf') return Number.NEGATIVE_INFINITY;
  return text === '' ? Number.NaN : Number(text);
}

function datasetsOf(experiment: string, run: string, folder: string): MlflowDataset[] {
  const inputs = join(run, 'inputs');
  if (!fs.existsSync(inputs)) return [];
  return foldersIn(inputs).flatMap((input) => {
    const link = asMap(readYaml(join(inputs, input, 'meta.yaml'), folder), 'meta.yaml');
    const id = textOr(link.get('source_id'), '');
    const meta = join(experiment, 'datasets', id, 'meta.yaml');
    if (!/^[0-9A-Za-z-]+$/.test(id) || !fs.existsSync(meta)) return [];
    const dataset = asMap(readYaml(meta, folder), 'meta.yaml');
    const context = asMap(link.get('tags'), 'tags').get('mlflow.data.context');
    return [
      {
        name: textOr(dataset.get('name'), ''),
        digest: textOr(dataset.get('digest'), ''),
        sourceType: textOr(dataset.get('source_type'), ''),
        source: textOr(dataset.get('source'), ''),
        ...(typeof context === 'string' ? { context } : {}),
      },
    ];
  });
}

/** Names with slashes are files in folders. Sorted. */
function filesBelow(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  const found: string[] = [];
  const open = [folder];
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (entry.isDirectory()) open.push(path);
      else if (entry.isFile()) found.push(relative(folder, path).replaceAll('\\', '/'));
      else throw strange(path, fs.lstatSync(path));
    }
    if (found.length > MOST_FILES) throw storeBroken(folder, `it has more than ${MOST_FILES} files`);
  }
  return found.sort();
}

function textOr(value: Yaml | undefined, otherwise: string): string {
  return typeof value === 'string' || isNumber(value) ? asText(value, '') : otherwise;
}

function numberOr(value: Yaml | undefined): number | null {
  return isNumber(value) ? value.value : null;
}

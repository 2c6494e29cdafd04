/** A tracking server, by MLflow's REST API. */
import { createWriteStream, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EXIT, MlpipeError } from '../../errors.ts';
import { withoutUrlCredentials } from '../../ledger/credentials.ts';
import { numberIn } from './file-store.ts';
import {
  type MlflowDataset,
  type MlflowRun,
  type MlflowValue,
  outOfDatabase,
  runUnknown,
  storeBroken,
  type TrackingStore,
} from './run.ts';

const TIMEOUT = 30_000;
const LARGEST_ANSWER = 64 * 2 ** 20;
const MOST_ARTIFACTS = 100_000;

type Json = { [name: string]: unknown };

/** @param variables of the process: `MLFLOW_TRACKING_USERNAME`, `MLFLOW_TRACKING_PASSWORD`, `MLFLOW_TRACKING_TOKEN` */
export function openServer(address: string, variables: NodeJS.ProcessEnv, signal?: AbortSignal): TrackingStore {
  const url = new URL(address);
  const headers: Record<string, string> = {};
  const name = decodeURIComponent(url.username) || (variables.MLFLOW_TRACKING_USERNAME ?? '');
  const password = decodeURIComponent(url.password) || (variables.MLFLOW_TRACKING_PASSWORD ?? '');
  if (variables.MLFLOW_TRACKING_TOKEN) headers.authorization = `Bearer ${variables.MLFLOW_TRACKING_TOKEN}`;
  else if (name !== '') headers.authorization = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
  url.username = '';
  url.password = '';
  const from = withoutUrlCredentials(url.href).replace(/\/$/, '');

  const request = async (path: string, query: Record<string, string>): Promise<Response> => {
    const target = new URL(`${url.pathname.replace(/\/$/, '')}/${path}`, url);
    for (const [key, value] of Object.entries(query)) target.searchParams.set(key, value);
    const limits = [AbortSignal.timeout(TIMEOUT), ...(signal === undefined ? [] : [signal])];
    try {
      // Whoever is told to go elsewhere would take the credentials along.
      return await fetch(target, { headers, redirect: 'error', signal: AbortSignal.any(limits) });
    } catch (cause) {
      if (signal?.aborted) throw cause;
      throw new MlpipeError(`${from} does not answer: ${reasonOf(cause)}.`, {
        code: 'mlflow-server-away',
        todo: 'See whether the server runs and the address is right.',
        exit: EXIT.usage,
        cause,
      });
    }
  };
  const ask = async (path: string, query: Record<string, string>): Promise<Json> => {
    const response = await request(`api/2.0/mlflow/${path}`, query);
    const content = await limited(response, from);
    if (response.status === 401 || response.status === 403) {
      throw new MlpipeError(`${from} wants to know who asks (${response.status}).`, {
        code: 'mlflow-server-refuses',
        todo: 'Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN.',
        exit: EXIT.usage,
      });
    }
    let answer: unknown;
    try {
      answer = JSON.parse(content);
    } catch (cause) {
      throw storeBroken(from, `it answers ${response.status} with what is no JSON`, cause);
    }
    if (typeof answer !== 'object' || answer === null) throw storeBroken(from, 'its answer is no object');
    const json = answer as Json;
    if (response.ok) return json;
    throw new MlpipeError(`${from} answers ${response.status}: ${String(json.message ?? json.error_code)}`, {
      code: json.error_code === 'RESOURCE_DOES_NOT_EXIST' ? 'mlflow-run-unknown' : 'mlflow-server-refuses',
      todo: 'Name a run by its id, which MLflow’s page of the run shows.',
      exit: EXIT.usage,
    });
  };
  return {
    from,
    find: async (reference) => {
      if (!/^[0-9a-f]{32}$/.test(reference)) throw runUnknown(reference, `${from} (a server is asked by the id alone)`);
      return readRun(ask, reference, from);
    },
    download: (run, folder) => download(request, ask, run, folder, from),
    close: () => undefined,
  };
}

type Ask = (path: string, query: Record<string, string>) => Promise<Json>;

async function readRun(ask: Ask, id: string, from: string): Promise<MlflowRun> {
  const { info = {}, data = {}, inputs = {} } = objectIn(await ask('runs/get', { run_id: id }), 'run', from);
  const about = asObject(info, 'run.info', from);
  const { params, metrics, tags } = asObject(data, 'run.data', from);
  const experimentId = text(about.experiment_id);
  const { name } = objectIn(await ask('experiments/get', { experiment_id: experimentId }), 'experiment', from);
  const tagMap = pairs(tags, from);
  const histories: [string, MlflowValue[]][] = [];
  for (const metric of list(metrics, from)) {
    const key = text(metric.key);
    const { metrics: values } = await ask('metrics/get-history', { run_id: id, metric_key: key });
    histories.push([
      key,
      list(values, from).map(({ value, timestamp, step }) => ({
        value: outOfDatabase(typeof value === 'number' ? value : numberIn(text(value))),
        time: Number(timestamp),
        step: Number(step ?? 0),
      })),
    ]);
  }
  return {
    id,
    name: text(about.run_name) || (tagMap['mlflow.runName'] ?? ''),
    experiment: { id: experimentId, name: text(name) },
    user: tagMap['mlflow.user'] ?? text(about.user_id),
    status: text(about.status),
    deleted: about.lifecycle_stage === 'deleted',
    started: timeOf(about.start_time),
    ended: timeOf(about.end_time),
    artifacts: text(about.artifact_uri),
    parameters: pairs(params, from),
    metrics: Object.fromEntries(histories),
    tags: tagMap,
    datasets: list(asObject(inputs, 'run.inputs', from).dataset_inputs, from).map((each) => datasetOf(each, from)),
  };
}

function datasetOf(input: Json, from: string): MlflowDataset {
  const dataset = asObject(input.dataset, 'dataset', from);
  const context = pairs(input.tags, from)['mlflow.data.context'];
  return {
    name: text(dataset.name),
    digest: text(dataset.digest),
    sourceType: text(dataset.source_type),
    source: text(dataset.source),
    ...(context === undefined ? {} : { context }),
  };
}

/** Every artifact of a run, below a folder. */
async function download(
  request: (path: string, query: Record<string, string>) => Promise<Response>,
  ask: Ask,
  run: MlflowRun,
  folder: string,
  from: string,
): Promise<void> {
  const open = [''];
  let count = 0;
  for (let at = open.pop(); at !== undefined; at = open.pop()) {
    const { files } = await ask('artifacts/list', { run_id: run.id, ...(at === '' ? {} : { path: at }) });
    for (const file of list(files, from)) {
      const path = text(file.path);
      const parts = path.split('/');
      if (parts.some((part) => part === '' || part === '.' || part === '..' || /[\\\0]/.test(part))) {
        throw storeBroken(from, `it names the artifact ${JSON.stringify(path)}, which leads out of its folder`);
      }
      count += 1;
      if (count > MOST_ARTIFACTS) throw storeBroken(from, `the run has more than ${MOST_ARTIFACTS} artifacts`);
      if (file.is_dir === true) {
        open.push(path);
        continue;
      }
      const response = await request('get-artifact', { path, run_uuid: run.id });
      if (!response.ok || response.body === null) throw storeBroken(from, `it does not hand over the artifact ${path}`);
      const place = join(folder, path);
      mkdirSync(dirname(place), { recursive: true });
      await pipeline(Readable.fromWeb(response.body), createWriteStream(place, { flags: 'wx' }));
    }
  }
}

// ---------------------------------------------------------------- answers of somebody else

async function limited(response: Response, from: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > LARGEST_ANSWER) throw storeBroken(from, 'its answer is larger than 64 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function asObject(value: unknown, what: string, from: string): Json {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Json;
  throw storeBroken(from, `${what} in its answer is no object`);
}

function objectIn(answer: Json, name: string, from: string): Json {
  return asObject(answer[name], name, from);
}

function list(value: unknown, from: string): Json[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw storeBroken(from, 'something in its answer is no list');
  return value.map((each) => asObject(each, 'an entry', from));
}

function pairs(value: unknown, from: string): Record<string, string> {
  return Object.fromEntries(list(value, from).map(({ key, value: each }) => [text(key), text(each)]));
}

function text(value: unknown): string {
  return value === undefined || value === null ? '' : String(value);
}

function timeOf(value: unknown): number | null {
  const time = Number(value);
  return value === undefined || value === null || !Number.isFinite(time) ? null : time;
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  return cause instanceof Error ? cause.message : String(cause);
}

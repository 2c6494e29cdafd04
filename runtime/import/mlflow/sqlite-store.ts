/** MLflow's database in SQLite: read alone, with a statement for each of its tables. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import type Sqlite from 'better-sqlite3';
import { EXIT, MlpipeError } from '../../errors.ts';
import {
  type MlflowRun,
  type MlflowValue,
  outOfDatabase,
  runAmbiguous,
  runUnknown,
  storeBroken,
  type TrackingStore,
} from './run.ts';

type Row = Record<string, unknown>;

const MOST_VALUES = 5_000_000;

/** @param from how the store is called in records */
export function openSqliteStore(path: string, from: string): TrackingStore {
  if (!fs.statSync(path, { throwIfNoEntry: false })?.isFile()) throw storeBroken(from, 'there is no such file');
  const Database = sqlite();
  let database: Sqlite.Database;
  try {
    database = new Database(path, { readonly: true, fileMustExist: true, timeout: 5000 });
  } catch (cause) {
    throw storeBroken(from, cause instanceof Error ? cause.message : String(cause), cause);
  }
  const ask = (statement: string, ...values: unknown[]): Row[] => {
    try {
      // Columns are looked at one by one below.
      return database.prepare(statement).all(...values) as Row[];
    } catch (cause) {
      throw storeBroken(from, cause instanceof Error ? cause.message : String(cause), cause);
    }
  };
  return {
    from,
    find: async (reference) => readRun(ask, findRun(ask, reference, from)),
    close: () => void database.close(),
  };
}

function sqlite(): typeof Sqlite {
  try {
    return createRequire(import.meta.url)('better-sqlite3') as typeof Sqlite;
  } catch (cause) {
    throw new MlpipeError('SQLite cannot be loaded here.', {
      code: 'sqlite-missing',
      todo: 'Install better-sqlite3 for this platform, or ask a tracking server: --from http://…',
      exit: EXIT.usage,
      cause,
    });
  }
}

type Ask = (statement: string, ...values: unknown[]) => Row[];

function findRun(ask: Ask, reference: string, from: string): string {
  const [byId] = ask('SELECT run_uuid FROM runs WHERE run_uuid = ?', reference);
  if (byId !== undefined) return text(byId.run_uuid);
  // Older databases have the name among the tags alone.
  const named = ask(
    `SELECT run_uuid FROM runs WHERE name = ?
     UNION SELECT run_uuid FROM tags WHERE key = 'mlflow.runName' AND value = ?`,
    reference,
    reference,
  ).map(({ run_uuid }) => text(run_uuid));
  const [only] = named;
  if (only === undefined) throw runUnknown(reference, from);
  if (named.length > 1) throw runAmbiguous(reference, named);
  return only;
}

function readRun(ask: Ask, id: string): MlflowRun {
  const run = ask('SELECT * FROM runs WHERE run_uuid = ?', id)[0] ?? {};
  const pairs = (table: 'params' | 'tags') =>
    Object.fromEntries(
      ask(`SELECT key, value FROM ${table} WHERE run_uuid = ? ORDER BY key`, id).map(({ key, value }) => [
        text(key),
        text(value),
      ]),
    );
  const tags = pairs('tags');
  const experiment = ask('SELECT name FROM experiments WHERE experiment_id = ?', run.experiment_id)[0];
  const metrics = new Map<string, MlflowValue[]>();
  const values = ask(
    `SELECT key, value, timestamp, step, is_nan FROM metrics WHERE run_uuid = ? ORDER BY key, step, timestamp LIMIT ${MOST_VALUES}`,
    id,
  );
  for (const { key, value, timestamp, step, is_nan } of values) {
    const name = text(key);
    const known = metrics.get(name) ?? [];
    known.push({
      value: is_nan ? Number.NaN : outOfDatabase(Number(value)),
      time: Number(timestamp),
      step: Number(step),
    });
    metrics.set(name, known);
  }
  return {
    id,
    name: text(run.name) || (tags['mlflow.runName'] ?? ''),
    experiment: { id: text(run.experiment_id), name: text(experiment?.name) },
    user: tags['mlflow.user'] ?? text(run.user_id),
    status: text(run.status),
    deleted: run.lifecycle_stage === 'deleted',
    started: numberOrNull(run.start_time),
    ended: numberOrNull(run.end_time),
    artifacts: text(run.artifact_uri),
    parameters: pairs('params'),
    metrics: Object.fromEntries(metrics),
    tags,
    datasets: datasetsOf(ask, id),
  };
}

/** Databases from before MLflow 2.4 have none. */
function datasetsOf(ask: Ask, id: string): MlflowRun['datasets'] {
  const tables = ask(
    `SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('datasets', 'inputs', 'input_tags')`,
  );
  if (tables.length < 3) return [];
  return ask(
    `SELECT d.name, d.digest, d.dataset_source_type, d.dataset_source, t.value AS context FROM inputs i
     JOIN datasets d ON d.dataset_uuid = i.source_id
     LEFT JOIN input_tags t ON t.input_uuid = i.input_uuid AND t.name = 'mlflow.data.context'
     WHERE i.destination_id = ? AND i.source_type = 'DATASET' ORDER BY d.name, d.digest`,
    id,
  ).map((row) => ({
    name: text(row.name),
    digest: text(row.digest),
    sourceType: text(row.dataset_source_type),
    source: text(row.dataset_source),
    ...(row.context === null ? {} : { context: text(row.context) }),
  }));
}

function text(value: unknown): string {
  return value === null || value === undefined ? '' : String(value);
}

function numberOrNull(value: unknown): number | null {
  return typeof value === 'number' ? value : null;
}

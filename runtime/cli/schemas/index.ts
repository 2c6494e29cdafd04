/** The shapes of `--json`, as JSON Schema: a contract. Fields may be added, never renamed. */

import { collection, remoteCollection } from './collect.ts';
import { importedPipeline, importedRun } from './import.ts';
import { changedKeys, fetchedLogs, keys, mended, published, pushedLogs, signed, verification } from './ledger.ts';
import { doctor, engines } from './machine.ts';
import { changes, decay, differences, keptModel, lineage, models } from './past.ts';
import { reproduction, reprotest } from './proof.ts';
import { records, storedRecord } from './record.ts';
import type { Schema } from './shape.ts';
import { addedRemote, fetched, pushed, remotes } from './share.ts';
import { begun, findings, formatted, graph, pins, plan, run, status } from './work.ts';

/** By the name of the command. */
export const SCHEMAS: Record<string, Schema> = {
  check: findings,
  pin: pins,
  plan,
  run,
  status,
  log: records,
  show: storedRecord,
  diff: differences,
  environment: differences,
  lineage,
  reproduce: reproduction,
  reprotest,
  'import-dvc': importedPipeline,
  'import-mlflow': importedRun,
  'remote-add': addedRemote,
  'remote-list': remotes,
  push: pushed,
  pull: fetched,
  fetch: fetched,
  changes,
  decay,
  models,
  keep: keptModel,
  dag: graph,
  engine: engines,
  doctor,
  fmt: formatted,
  verify: verification,
  gc: collection,
  'gc-remote': remoteCollection,
  keys,
  publish: published,
  'keys-changed': changedKeys,
  mend: mended,
  sign: signed,
  'log-push': pushedLogs,
  'log-fetch': fetchedLogs,
  init: begun,
};

/** A shape as a document of its own. */
export function schemaDocument(name: string): Schema | undefined {
  const schema = SCHEMAS[name];
  return (
    schema && { $schema: 'https://json-schema.org/draft/2020-12/schema', title: `mlpipe ${name} --json`, ...schema }
  );
}

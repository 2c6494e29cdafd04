/** The verdict as a record, and the model that it is about. */
import { join } from 'node:path';
import { canonicalJson, digestOfValue } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { worldOf } from '../context.ts';
import { where } from '../ledger/provenance.ts';
import { RECORD_FORMAT, type StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import type { Reproduction } from './reproduce.ts';

export const VERDICT_FORMAT = 'mlpipe-verdict/1';

/** The verdict as an object in the store. */
export interface KeptVerdict extends Omit<Reproduction, 'record' | 'place' | 'metrics'> {
  format: typeof VERDICT_FORMAT;
  /** `reproduced` is nothing where it was not measured: JSON has no word for that number. */
  metrics: (Omit<Reproduction['metrics'][number], 'reproduced'> & { reproduced: number | null })[];
  /** The record of the model. */
  of: Digest;
  /** The model that was made again. */
  reproduced: Digest | null;
  when: string;
}

/** Takes the model that was made again into the project. */
export async function keepModel(project: Project, place: Project, model: Digest, folder: string): Promise<Digest> {
  const copy = join(folder, 'reproduced-model');
  await place.store.checkout(model, copy);
  return (await project.store.put(copy)).digest;
}

/** The verdict is a record like others: immutable, named by its digest, and found from the model that it is about. */
export async function keepVerdict(
  project: Project,
  trained: StoredRecord,
  again: StoredRecord | undefined,
  found: Omit<Reproduction, 'record' | 'place'>,
  reproduced: Digest | undefined,
): Promise<Digest> {
  const { store, ledger } = project;
  const world = worldOf(project);
  const now = new Date().toISOString();
  const kept: KeptVerdict = {
    format: VERDICT_FORMAT,
    ...found,
    metrics: found.metrics.map((metric) => ({
      ...metric,
      reproduced: Number.isFinite(metric.reproduced) ? metric.reproduced : null,
    })),
    of: trained.digest,
    reproduced: reproduced ?? null,
    when: now,
  };
  const verdict = await store.putBytes(canonicalJson(kept));
  const [code, who] = await Promise.all([world.code(), world.who()]);
  const keyed = { of: trained.digest, environment: found.environment, data: found.data };
  const model = trained.record.outputs.model;
  return ledger.append({
    ...trained.record,
    format: RECORD_FORMAT,
    run: ledger.newRunName(),
    step: `reproduce:${trained.record.step}`,
    kind: 'reproduce',
    key: digestOfValue(keyed),
    keyParts: (await store.putBytes(canonicalJson(keyed))).digest,
    reason: `to see whether ${trained.record.step} comes out again`,
    who,
    where: where(),
    when: again?.record.when ?? { started: now, ended: now, seconds: 0 },
    code,
    inputs: [
      {
        name: `output:${trained.record.step}.model`,
        digest: found.model,
        bytes: model?.bytes ?? 0,
        record: trained.digest,
      },
    ],
    environment: again?.record.environment ?? trained.record.environment,
    engine: again?.record.engine ?? null,
    outputs: {
      verdict,
      ...(reproduced === undefined || again?.record.outputs.model === undefined
        ? {}
        : { model: { digest: reproduced, bytes: again.record.outputs.model.bytes } }),
    },
    metrics: Object.fromEntries(
      found.metrics
        .filter(({ reproduced: value }) => Number.isFinite(value))
        .map(({ name, reproduced: value }) => [name, value]),
    ),
    gates: [],
    exit:
      found.verdict === 'failed' || found.verdict === 'inconclusive'
        ? { status: 'failed', message: `${found.verdict}: ${found.because}` }
        : { status: 'ok', code: 0, message: `${found.verdict}: ${found.because}` },
    undeclaredReads: [],
  });
}

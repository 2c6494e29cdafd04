/** Which model a reference means: a training by its record or its version, or what an evaluation has evaluated. */
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';
import { resolveReference } from './resolve.ts';

/** The record of the model that is meant; an evaluation means what it evaluated. @throws MlpipeError `model-unknown` */
export function modelOf(project: Project, reference: string): StoredRecord {
  const stored = resolveReference(project, reference);
  if (stored.record.kind === 'train' && stored.record.outputs.model) return stored;
  const behind = stored.record.inputs.find(({ name, record }) => record && name.endsWith('.model'))?.record;
  const trained = behind && project.ledger.get(behind);
  if (trained?.record.outputs.model) return trained;
  if (stored.record.origin !== undefined) {
    throw new MlpipeError(`${reference} was ${stored.record.reason}: how it was made is not known well enough.`, {
      code: 'model-unknown',
      todo: 'Name a training that mlpipe has run; an import can be shown, compared and exported as what it is.',
      exit: 2,
    });
  }
  throw new MlpipeError(`${reference} is no model and evaluates none.`, {
    code: 'model-unknown',
    todo: 'Name a training or one of its records; `mlpipe log` lists them.',
    exit: 2,
  });
}

export function modelDigest({ record }: StoredRecord): Digest {
  const model = record.outputs.model;
  if (model) return model.digest;
  throw new TypeError('`modelOf` gives records that have a model.');
}

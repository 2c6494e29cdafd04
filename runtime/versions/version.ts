/** A version of a model: a name and a number for a record, in a committed file that never changes. */
import { dirname } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import { committedPath, committedText, readCommitted } from '../ledger/committed.ts';
import { writeWhole } from '../store/small-file.ts';

export const VERSION_FORMAT = 'mlpipe-model/1';

export interface ModelVersion {
  format: typeof VERSION_FORMAT;
  /** The training's name. */
  name: string;
  /** Counted from 1. */
  version: number;
  tag: string | null;
  /** The record of the training, and the model that it wrote. */
  record: Digest;
  model: Digest;
  /** The digest of the version before, so that none can be exchanged without all that follow. */
  previous: Digest | null;
  /** As its evaluations measured when it was kept. */
  metrics: Record<string, number>;
  kept: { when: string; who: string };
}

/** A version with the digest of what it says. */
export interface StoredVersion {
  digest: Digest;
  version: ModelVersion;
  /** Where it lies; absolute. */
  path: string;
}

/** `digits.mlpipe` → `digits.mlpipe.models` */
export function versionFolder(pipelineFile: string): string {
  return `${pipelineFile}.models`;
}

export function versionPath(pipelineFile: string, name: string, version: number): string {
  return committedPath(versionFolder(pipelineFile), `${name}@${version}`);
}

/**
 * Writes a version that is not there yet. Durable when it returns.
 *
 * @returns nothing where another process has written that number first
 */
export function writeVersion(pipelineFile: string, version: ModelVersion): StoredVersion | undefined {
  const path = versionPath(pipelineFile, version.name, version.version);
  const { digest, text } = committedText(version);
  return writeWhole(path, text, { replace: false, mode: 0o444 }) ? { digest, version, path } : undefined;
}

/** @throws MlpipeError `version-damaged` for an edit, the marks of a merge, or the place of another version */
export function readVersion(path: string): StoredVersion {
  const { digest, value: version } = readCommitted<ModelVersion>(path, VERSION_FORMAT, (how) => damaged(path, how));
  const pipeline = dirname(path).replace(/\.models$/, '');
  if (versionPath(pipeline, version.name, version.version) !== path)
    throw damaged(path, `is about ${version.name}@${version.version}`);
  return { digest, version, path };
}

function damaged(path: string, how: string): MlpipeError {
  return new MlpipeError(`The version ${path} ${how}.`, {
    code: 'version-damaged',
    todo: 'Bring it back as it was committed first. Of two that a merge brings together one stays; keep the other model anew.',
  });
}

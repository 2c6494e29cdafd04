/** The part of the façade that says what an editor shows beside the text: where a pin comes from, why a step ran again. */
import fs from 'node:fs';
import { relative } from 'node:path';
import type { Bytes, Digest } from '../grammar/plan/plan.ts';
import { contextAt } from './context.ts';
import { MlpipeError } from './errors.ts';
import type { PinHistories, PinOrigin, PinQuestion } from './facts/pin-history.ts';
import type { Project } from './project.ts';
import type { WhyAnswer } from './rpc/protocol.ts';
import { nodeFileSystem } from './store/filesystem.ts';
import { objectFolder } from './store/layout.ts';
import { isFolder } from './store/listing.ts';
import { parseManifest } from './store/manifest.ts';
import type { Store } from './store/store.ts';

export { decayPath } from './decay/remember.ts';
export type { PinOrigin, PinQuestion } from './facts/pin-history.ts';

/** An earlier run of a step with another key is looked for among so many. */
const LOOKED_AT = 50;

/** What is known of a content by its digest. */
export interface KnownContent {
  digest: Digest;
  inStore: boolean;
  bytes?: Bytes;
  /** Of a folder. */
  files?: number;
  /** As the last run that read it has counted them. */
  rows?: number;
}

export interface PinHistory {
  /** Nothing where git takes too long. */
  origin?: PinOrigin;
  now: KnownContent;
  before?: KnownContent;
}

/**
 * Who wrote a pin, when, and what was pinned before. Runs git, so that it is not to be asked where a folder is not trusted.
 *
 * @throws the signal's reason, where it is aborted
 */
export async function pinHistory(
  project: Project,
  histories: PinHistories,
  question: PinQuestion,
  signal?: AbortSignal,
): Promise<PinHistory> {
  const origin = await histories.originOf(question, signal);
  const before = origin !== undefined && 'before' in origin ? origin.before : undefined;
  return {
    ...(origin === undefined ? {} : { origin }),
    now: await contentOf(project, question.digest),
    ...(before?.startsWith('sha256:') ? { before: await contentOf(project, before as Digest) } : {}),
  };
}

async function contentOf({ store, ledger }: Project, digest: Digest): Promise<KnownContent> {
  const reader = ledger.digestsOfReaders(digest).at(-1);
  const input = reader && ledger.get(reader)?.record.inputs.find((each) => each.digest === digest);
  const known: KnownContent = { digest, inStore: store.has(digest) };
  if (input !== undefined) known.bytes = input.bytes;
  if (input?.rows !== undefined) known.rows = input.rows;
  if (!known.inStore) return known;
  try {
    return { ...known, ...(await sizeOf(store, digest)) };
  } catch (error) {
    // That it is damaged is said by whoever checks it.
    if (error instanceof MlpipeError) return known;
    throw error;
  }
}

async function sizeOf(store: Store, digest: Digest): Promise<Pick<KnownContent, 'bytes' | 'files'>> {
  if (await isFolder(store, digest)) {
    const manifest = parseManifest(await store.read(digest));
    return manifest === undefined ? {} : { bytes: manifest.bytes, files: manifest.files };
  }
  const path = objectFolder(nodeFileSystem, store.folder).path(digest);
  // What is no file of its own lies in a pack, and is small.
  const bytes = fs.statSync(path, { throwIfNoEntry: false })?.size ?? (await store.read(digest)).length;
  return { bytes };
}

/**
 * Why a step ran again, or would: two of its keys as texts to be compared.
 *
 * @throws MlpipeError `step-unknown`, and what `contextAt` names
 */
export async function whyRerun(
  project: Project,
  file: string,
  step: string,
  options: { parameters?: Readonly<Record<string, string>> } = {},
): Promise<WhyAnswer> {
  const { whyRerun: why } = await import('./execute/why.ts');
  const context = await contextAt(project, file, options.parameters);
  const path = relative(project.root, file).replaceAll('\\', '/');
  return why(context, step, project.ledger.list({ file: path, step }, LOOKED_AT));
}

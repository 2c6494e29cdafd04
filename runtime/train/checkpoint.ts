/**
 * The state of a training, kept so that a killed one goes on to the same bits as an unbroken one.
 *
 * One file: a line of JSON that describes what follows, the numbers as little-endian float32, and the SHA-256 of all
 * before it. It is written beside the old one, made durable, and then takes its place; so there is always a whole one.
 */
import { createHash } from 'node:crypto';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelState, NamedArray } from '../engines/engine.ts';
import type { EpochResult } from './history.ts';

const FILE = 'checkpoint.bin';
const FORMAT = 'mlpipe-checkpoint/1';
const DIGEST_BYTES = 32;

export interface Checkpoint {
  /** Digest of everything that determines the training: another job's checkpoint is none. */
  job: string;
  seed: number;
  position: Position;
  history: EpochResult[];
  state: ModelState;
  best?: Best;
}

export interface Position {
  /** Counted from 0: the epoch that the next step belongs to. */
  epoch: number;
  /** Batches of it that are done. */
  batch: number;
  /** Sum over the rows so far of this epoch's losses. */
  lossSum: number;
}

/** The epoch with the best value of the metric that `stop` watches. */
export interface Best {
  epoch: number;
  value: number;
  weights: NamedArray[];
}

interface Header {
  format: typeof FORMAT;
  job: string;
  seed: number;
  position: Position;
  history: EpochResult[];
  random: number;
  steps: number;
  best?: { epoch: number; value: number };
  arrays: { group: 'weights' | 'optimizer' | 'best'; name: string; shape: number[]; length: number }[];
}

/** Durable when it returns. */
export async function writeCheckpoint(folder: string, checkpoint: Checkpoint): Promise<void> {
  const { state, best, job, seed, position, history } = checkpoint;
  const groups = [
    { group: 'weights' as const, arrays: state.weights },
    { group: 'optimizer' as const, arrays: state.optimizer },
    { group: 'best' as const, arrays: best?.weights ?? [] },
  ];
  const header: Header = {
    format: FORMAT,
    job,
    seed,
    position,
    history,
    random: state.random,
    steps: state.steps,
    ...(best ? { best: { epoch: best.epoch, value: best.value } } : {}),
    arrays: groups.flatMap(({ group, arrays }) =>
      arrays.map(({ name, shape, values }) => ({ group, name, shape, length: values.length })),
    ),
  };
  const hash = createHash('sha256');
  const temporary = join(folder, `${FILE}.tmp`);
  const file = await open(temporary, 'w');
  try {
    const pieces = [Buffer.from(`${JSON.stringify(header)}\n`), ...groups.flatMap(({ arrays }) => arrays.map(bytesOf))];
    for (const piece of pieces) {
      hash.update(piece);
      await file.writeFile(piece);
    }
    await file.writeFile(hash.digest());
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, join(folder, FILE));
  await syncFolder(folder);
}

/** The last whole checkpoint of this job; nothing where there is none, it is torn, or it is of another job. */
export async function readCheckpoint(folder: string, job: string): Promise<Checkpoint | undefined> {
  let content: Buffer;
  try {
    content = await readFile(join(folder, FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const body = content.subarray(0, -DIGEST_BYTES);
  const digest = createHash('sha256').update(body).digest();
  if (!digest.equals(content.subarray(-DIGEST_BYTES))) return undefined;
  const end = body.indexOf('\n');
  const header = JSON.parse(body.subarray(0, end).toString()) as Header;
  if (header.format !== FORMAT || header.job !== job) return undefined;
  const arrays: Record<Header['arrays'][number]['group'], NamedArray[]> = { weights: [], optimizer: [], best: [] };
  let offset = end + 1;
  for (const { group, name, shape, length } of header.arrays) {
    // Copied, because a Float32Array must begin at a multiple of four.
    const bytes = Uint8Array.prototype.slice.call(body, offset, offset + length * 4);
    arrays[group].push({ name, shape, values: new Float32Array(bytes.buffer, bytes.byteOffset, length) });
    offset += length * 4;
  }
  const { seed, position, history, random, steps, best } = header;
  return {
    job,
    seed,
    position,
    history,
    state: { weights: arrays.weights, optimizer: arrays.optimizer, random, steps },
    ...(best ? { best: { ...best, weights: arrays.best } } : {}),
  };
}

/** After a training has ended there is nothing to go on with. */
export async function removeCheckpoint(folder: string): Promise<void> {
  await rm(join(folder, FILE), { force: true });
  await rm(join(folder, `${FILE}.tmp`), { force: true });
}

function bytesOf({ values }: NamedArray): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

/** Makes a rename in the folder durable. Windows has no such thing and needs none. */
async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return;
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Cuts content where its own bytes say so, so that a row inserted into a table moves one cut and not all that follow: of
 * two versions all chunks but those around the change are equal. Gear hashing with normalized chunking as in FastCDC (Xia
 * et al., USENIX ATC 2016, sections 3.2 and 3.4): cuts are rare before the average and frequent after it, so that chunks
 * are of much the same size, and an edit, which hits large ones rather than small ones, costs a third less.
 */
import { createHash } from 'node:crypto';
import type { Bytes } from '../../../grammar/plan/plan.ts';

/** Who changes these finds no old chunk again; what was sent stays readable, as reading needs none of them. */
export interface Chunking {
  /** A power of two. From here on cuts are frequent, so that most are not far from it. */
  average: Bytes;
  largest: Bytes;
  smallest: Bytes;
}

export const CHUNKING: Chunking = { average: 65_536, largest: 262_144, smallest: 16_384 };

/** So many bits more must be 0 before the average, and so many fewer after it. */
const NORMALIZATION = 2;
/** After so many shifts a byte has left the 32 bits of the hash. */
const WINDOW = 32;

/** Of each byte the first 32 bits of its SHA-256: fixed numbers without a pattern, which anybody can make again. */
const GEAR = Int32Array.from({ length: 256 }, (_, byte) =>
  createHash('sha256').update(Uint8Array.of(byte)).digest().readInt32BE(0),
);

/** Whether chunks can be cut like this. */
export function isChunking(value: unknown): value is Chunking {
  if (typeof value !== 'object' || value === null) return false;
  const { average, largest, smallest } = value as Record<string, unknown>;
  return (
    [average, largest, smallest].every((each) => Number.isSafeInteger(each)) &&
    typeof average === 'number' &&
    typeof largest === 'number' &&
    typeof smallest === 'number' &&
    Number.isInteger(Math.log2(average)) &&
    average >= 2 ** (NORMALIZATION + 1) &&
    WINDOW < smallest &&
    smallest <= average &&
    average <= largest &&
    largest <= 2 ** 24
  );
}

/** Finds cuts in content that comes in pieces, wherever the pieces begin and end. */
export class Cutter {
  readonly #smallest: Bytes;
  readonly #largest: Bytes;
  readonly #average: Bytes;
  readonly #rare: number;
  readonly #frequent: number;
  #hash = 0;
  /** Of the chunk that is being looked for. */
  #length: Bytes = 0;

  constructor({ average, largest, smallest }: Chunking) {
    this.#smallest = smallest;
    this.#largest = largest;
    this.#average = average;
    this.#rare = uppermostBits(Math.log2(average) + NORMALIZATION);
    this.#frequent = uppermostBits(Math.log2(average) - NORMALIZATION);
  }

  /** Where the chunk ends, or nothing where it goes on after the piece. */
  cut(piece: Uint8Array, from: number): number | undefined {
    const begun = this.#length;
    let at = from;
    // Nothing is cut here, and the hash will have forgotten it.
    const skipped = this.#smallest - WINDOW - begun;
    if (skipped > 0) at = Math.min(piece.length, at + skipped);
    const last = Math.min(piece.length, from + this.#largest - begun);
    const warm = Math.min(last, Math.max(at, from + this.#smallest - 1 - begun));
    const middle = Math.min(last, Math.max(warm, from + this.#average - 1 - begun));
    let hash = this.#hash;
    while (at < warm) hash = ((hash << 1) + (GEAR[piece[at++] ?? 0] ?? 0)) | 0;
    const rare = this.#rare;
    while (at < middle) {
      hash = ((hash << 1) + (GEAR[piece[at++] ?? 0] ?? 0)) | 0;
      if ((hash & rare) === 0) return this.#begin(at);
    }
    const frequent = this.#frequent;
    while (at < last) {
      hash = ((hash << 1) + (GEAR[piece[at++] ?? 0] ?? 0)) | 0;
      if ((hash & frequent) === 0) return this.#begin(at);
    }
    this.#hash = hash;
    this.#length = begun + at - from;
    return this.#length >= this.#largest ? this.#begin(at) : undefined;
  }

  #begin(at: number): number {
    this.#hash = 0;
    this.#length = 0;
    return at;
  }
}

/** In them all of the window has a say. */
function uppermostBits(count: number): number {
  return ~(2 ** (32 - count) - 1) | 0;
}

/** The chunks of content, in order; together they are the content. */
export async function* chunksOf(pieces: AsyncIterable<Uint8Array>, chunking: Chunking): AsyncGenerator<Uint8Array> {
  const cutter = new Cutter(chunking);
  let held: Uint8Array[] = [];
  for await (const piece of pieces) {
    for (let from = 0; from < piece.length; ) {
      const end = cutter.cut(piece, from);
      held.push(piece.subarray(from, end));
      if (end === undefined) break;
      yield joined(held);
      held = [];
      from = end;
    }
  }
  if (held.length > 0) yield joined(held);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  return parts.length === 1 && first !== undefined ? first : Buffer.concat(parts);
}

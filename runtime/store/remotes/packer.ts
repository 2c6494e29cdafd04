/**
 * Puts many contents into packs and sends these, a few at once: a pack is durable before its index is sent, so that an
 * index never promises what is not there. Who breaks off leaves packs that the next one finds by their indexes.
 */
import { createHash, type Hash } from 'node:crypto';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { PackBook } from './book.ts';
import type { Content } from './driver.ts';
import { remoteFailure } from './failure.ts';
import { nameOf } from './names.ts';
import { CHUNKED_FROM, encodeIndex, type Holds, PACK_BYTES, parseIndex } from './pack-format.ts';
import type { Line } from './transfer.ts';

/** Packs under way at once; each is as much memory. */
const AT_ONCE = 3;
/** Of a pack: it is closed when it is full, and what is put into it last is hardly ever larger than what goes over. */
const MEMORY = PACK_BYTES + CHUNKED_FROM;
/** So much is sent between two signs of life. */
const PIECE = 2 ** 18;

/** A pack that gets its digest when it is closed. */
export interface PackToBe {
  digest: Digest | undefined;
}

export interface PackedPlace {
  pack: PackToBe;
  offset: Bytes;
  bytes: Bytes;
}

interface OpenPack {
  pack: PackToBe;
  blobs: { digest: Digest; bytes: Bytes }[];
  memory: Buffer;
  bytes: Bytes;
  hash: Hash;
  /** How often it was begun to be sent. */
  tries: number;
}

export class Packer {
  readonly #line: Line;
  readonly #book: PackBook;
  readonly #holds: Holds;
  readonly #added = new Map<Digest, PackedPlace>();
  readonly #running = new Set<Promise<void>>();
  #open: OpenPack | undefined;
  /** Of packs that were sent: memory that the system has not to find again. */
  readonly #spare: Buffer[] = [];
  #failure: { error: unknown } | undefined;
  /** Of packs and indexes that were sent. */
  sent: Bytes = 0;

  constructor(line: Line, book: PackBook, holds: Holds) {
    this.#line = line;
    this.#book = book;
    this.#holds = holds;
  }

  /** Where something lies that was added here. */
  find(digest: Digest): PackedPlace | undefined {
    return this.#added.get(digest);
  }

  /** @param content with this digest; copied before it answers */
  async add(digest: Digest, content: Uint8Array): Promise<PackedPlace> {
    const known = this.#added.get(digest);
    if (known) return known;
    this.#open ??= this.#begin();
    const open = this.#open;
    if (open.memory.length < open.bytes + content.length) open.memory = grown(open.memory, open.bytes + content.length);
    const place: PackedPlace = { pack: open.pack, offset: open.bytes, bytes: content.length };
    open.blobs.push({ digest, bytes: content.length });
    open.memory.set(content, open.bytes);
    open.hash.update(content);
    open.bytes += content.length;
    this.#added.set(digest, place);
    if (open.bytes >= PACK_BYTES) await this.#close();
    return place;
  }

  /** All packs and indexes have been sent; they are durable once the line is settled. */
  async finish(): Promise<void> {
    await this.#close();
    await Promise.all(this.#running);
    if (this.#failure) throw this.#failure.error;
  }

  /** What runs is waited for, so that nothing goes on behind the caller's back. */
  async leave(): Promise<void> {
    await Promise.all(this.#running);
  }

  #begin(): OpenPack {
    const memory = this.#spare.pop() ?? Buffer.allocUnsafeSlow(MEMORY);
    return { pack: { digest: undefined }, blobs: [], memory, bytes: 0, hash: createHash('sha256'), tries: 0 };
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    if (open) {
      const task: Promise<void> = this.#send(open)
        .catch((error: unknown) => {
          this.#failure ??= { error };
        })
        .finally(() => this.#running.delete(task));
      this.#running.add(task);
    }
    while (this.#running.size >= AT_ONCE) await Promise.race(this.#running);
    if (this.#failure) throw this.#failure.error;
  }

  async #send(open: OpenPack): Promise<void> {
    const { pack, blobs, memory, bytes, hash } = open;
    const content = memory.subarray(0, bytes);
    const sha256 = hash.digest('hex');
    const digest: Digest = `sha256:${sha256}`;
    pack.digest = digest;
    const replace = this.#book.damaged.has(digest);
    const begun = () => {
      open.tries += 1;
    };
    const answer = await this.#put(nameOf('packs', digest), content, sha256, replace, begun);
    // Nobody has answered for what has the name already. It may be what is left of a damaged one.
    if (answer === 'present' && !this.#book.ofPack(digest))
      await this.#put(nameOf('packs', digest), content, sha256, true, begun);
    await this.#line.driver.settle();
    // A try that was given up may still read it.
    if (open.tries === 1) this.#spare.push(memory);
    const index = encodeIndex(digest, this.#holds, blobs);
    const replaceIndex = this.#book.damaged.has(index.digest);
    await this.#put(
      nameOf('pack-indexes', index.digest),
      index.content,
      index.digest.slice('sha256:'.length),
      replaceIndex,
    );
    const parsed = parseIndex(index.content);
    if (parsed) this.#book.add(parsed, index.digest);
    this.#book.isThereNow(digest);
  }

  async #put(
    name: string,
    content: Buffer,
    sha256: string,
    replace: boolean,
    onTry: () => void = () => undefined,
  ): Promise<'created' | 'present'> {
    const { driver, signal } = this.#line;
    this.sent += content.length;
    try {
      return await this.#line.attempt(({ signal: guard, alive }) => {
        onTry();
        return driver.put(name, inPieces(content, sha256, alive), { replace, signal: guard });
      }, signal);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw remoteFailure(driver.address, `the file \`${name}\``, error);
    }
  }
}

function grown(memory: Buffer, bytes: Bytes): Buffer {
  const larger = Buffer.allocUnsafeSlow(bytes);
  memory.copy(larger);
  return larger;
}

/** @param alive told at each piece, as a slow line takes minutes for a pack */
export function inPieces(content: Buffer, sha256: string | undefined, alive: () => void): Content {
  return {
    bytes: content.length,
    ...(sha256 === undefined ? {} : { sha256 }),
    async *read(start = 0, end = content.length) {
      for (let at = start; at < end; at += PIECE) {
        alive();
        yield content.subarray(at, Math.min(end, at + PIECE));
      }
    },
  };
}

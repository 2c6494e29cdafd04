/**
 * What of a large object need not come over the line, as it lies here already: in another object, an older version
 * mostly, that is made of the same bytes of the same packs. Whether it came out right the object's digest says.
 */
import fs from 'node:fs';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { ObjectSource } from '../source.ts';
import { cacheFolder, keep, namesKept, readKept } from './kept.ts';
import { parseRecipe, type Span } from './pack-format.ts';

/** So many recipes of objects that are here are looked through, the newest first. */
const LOOKED_THROUGH = 200;

/** Bytes of a pack that are also bytes of a file here. */
export interface LocalSpan extends Span {
  local: { path: string; at: Bytes };
}

export class LocalSpans {
  readonly #folder: string;
  readonly #source: ObjectSource;
  /** By pack, sorted by offset. */
  #known: Map<Digest, LocalSpan[]> | undefined;

  /** @param store the `.mlpipe` folder */
  constructor(store: string, source: ObjectSource) {
    this.#folder = cacheFolder(store, 'recipes');
    this.#source = source;
  }

  /** Of an object that is here, or is about to be. */
  keep(digest: Digest, recipe: Buffer): void {
    keep(this.#folder, digest.slice('sha256:'.length), recipe);
  }

  /** The same bytes in the same order, cut where what lies here begins and ends. */
  *split(spans: Iterable<Span>): Generator<Span | LocalSpan> {
    this.#known ??= this.#load();
    for (const { pack, offset, bytes } of spans) {
      const end = offset + bytes;
      let at = offset;
      for (const here of this.#known.get(pack) ?? []) {
        const [from, to] = [Math.max(at, here.offset), Math.min(end, here.offset + here.bytes)];
        if (from >= to) continue;
        if (at < from) yield { pack, offset: at, bytes: from - at };
        const { path, at: begin } = here.local;
        yield { pack, offset: from, bytes: to - from, local: { path, at: begin + from - here.offset } };
        at = to;
      }
      if (at < end) yield { pack, offset: at, bytes: end - at };
    }
  }

  #load(): Map<Digest, LocalSpan[]> {
    const known = new Map<Digest, LocalSpan[]>();
    for (const name of namesKept(this.#folder).slice(0, LOOKED_THROUGH)) {
      if (!/^[0-9a-f]{64}$/.test(name)) continue;
      const digest: Digest = `sha256:${name}`;
      const place = this.#source.locate(digest);
      const content = place && readKept(this.#folder, name);
      const recipe = content && parseRecipe(content, digest);
      let at = place?.offset ?? 0;
      for (const span of recipe?.spans ?? []) {
        const spans = known.get(span.pack) ?? [];
        if (place) spans.push({ ...span, local: { path: place.path, at } });
        known.set(span.pack, spans);
        at += span.bytes;
      }
    }
    for (const spans of known.values()) spans.sort((one, other) => one.offset - other.offset);
    return known;
  }
}

/** Nothing where the file is not what it was. */
export async function readLocal({ local: { path, at }, bytes }: LocalSpan): Promise<Buffer | undefined> {
  let file: fs.promises.FileHandle;
  try {
    file = await fs.promises.open(path, 'r');
  } catch {
    // Collected meanwhile: the remote has these bytes, too.
    return undefined;
  }
  try {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(bytes), 0, bytes, at);
    return bytesRead === bytes ? buffer : undefined;
  } finally {
    await file.close();
  }
}

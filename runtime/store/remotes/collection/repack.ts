/**
 * Puts what is needed of packs that hold little else into new ones, and small packs together. The old ones are needed by
 * nothing then, and go as everything does that nothing needs.
 */
import type { Digest } from '../../../../grammar/plan/plan.ts';
import { inParallel } from '../concurrency.ts';
import type { KnownPack } from '../digest-table.ts';
import { contentOf } from '../driver.ts';
import { remoteFailure } from '../failure.ts';
import { nameOf } from '../names.ts';
import { encodeMembers, type PackedBlob, parseMembers } from '../pack-format.ts';
import { Packer } from '../packer.ts';
import { readDescription } from '../ranges.ts';
import { receivePacked } from '../receive-packed.ts';
import { type Line, settled } from '../transfer.ts';
import type { Listing, Needs } from './needs.ts';

/** A pack of which nothing needs so large a share is written anew. */
const WASTE = 0.5;
/** Packs smaller than this are put together where there are many. */
const SMALL = 4 * 2 ** 20;
const MANY = 64;

/** @returns how many packs were written; they are in the listing from now on */
export async function repack(listing: Listing, needs: Needs): Promise<number> {
  const { line, book, files } = listing;
  const before = new Set([...book.packs()].map(({ digest }) => digest));
  const old = worthIt([...needs.packs()]);
  if (old.length === 0) return 0;
  const packer = new Packer(line, book, 'objects');
  try {
    for (const { known, objects } of old) {
      const contents = new Map<Digest, Buffer>();
      const wishes = objects.map((object) => ({ ...object, pack: known.index.pack, item: undefined }));
      const left = await receivePacked(wishes, line, ({ digest }, content) => contents.set(digest, content));
      // What is damaged is for `push --repair`; nothing is lost by leaving it where it is.
      if (left.length > 0) continue;
      for (const { digest } of objects) await packer.add(digest, contents.get(digest) ?? NOTHING);
    }
    await packer.finish();
  } finally {
    await packer.leave();
  }
  await settled(line);
  const written = [...book.packs()].filter(({ digest }) => !before.has(digest));
  for (const { digest, index } of written) {
    files.set(nameOf('packs', index.pack), index.bytes);
    files.set(nameOf('pack-indexes', digest), index.entries.length);
  }
  return written.length;
}

const NOTHING = Buffer.alloc(0);

type Needed = { known: KnownPack; objects: PackedBlob[] };

function worthIt(packs: readonly Needed[]): Needed[] {
  const isWasted = ({ known, objects }: Needed) =>
    objects.reduce((sum, { bytes }) => sum + bytes, 0) <= known.index.bytes * (1 - WASTE);
  const wasted = packs.filter(isWasted);
  const small = packs.filter((each) => !isWasted(each) && each.known.index.bytes < SMALL);
  return small.length > MANY ? [...wasted, ...small] : wasted;
}

/** Tells of folders where their files lie from now on, before what has told it goes. */
export async function mendMembers({ line, files }: Listing, needs: Needs): Promise<void> {
  await inParallel(
    needs.folders(),
    line.pace,
    async ({ folder, indexes }, signal) => {
      const name = nameOf('members', folder);
      const said = await readDescription(line, name, signal, (content) => parseMembers(content, folder));
      const known = new Set(typeof said === 'string' ? [] : said);
      if (typeof said !== 'string' && [...indexes].every((index) => known.has(index))) return;
      const staying = [...known].filter((index) => {
        const file = nameOf('pack-indexes', index);
        return files.has(file) && needs.has(file);
      });
      await write(line, name, encodeMembers(folder, new Set([...indexes, ...staying])), signal);
    },
    line.signal,
  );
  await settled(line);
}

async function write(line: Line, name: string, content: Buffer, outer: AbortSignal): Promise<void> {
  try {
    await line.attempt(({ signal }) => line.driver.put(name, contentOf(content), { replace: true, signal }), outer);
  } catch (error) {
    if (outer.aborted) throw error;
    throw remoteFailure(line.driver.address, `the file \`${name}\``, error);
  }
}

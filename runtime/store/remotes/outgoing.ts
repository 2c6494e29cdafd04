/** What a store has to send: content that is checked while it is read, and the tree of what a digest stands for. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { objectCorrupt, objectMissing } from '../errors.ts';
import { nodeFileSystem } from '../filesystem.ts';
import { parseManifest } from '../manifest.ts';
import { type ObjectSource, objectSource } from '../source.ts';
import type { Content } from './driver.ts';
import { readAhead } from './read-ahead.ts';

export function objectsOf(store: string): ObjectSource {
  return objectSource(nodeFileSystem, store);
}

/**
 * An object's content. Read as a whole it is hashed on the way, and its last piece is held back until the digest fits:
 * nothing that is damaged here ever is whole there.
 */
export function contentOfObject(source: ObjectSource, digest: Digest, bytes: Bytes): Content {
  const sha256 = digest.slice('sha256:'.length);
  return {
    bytes,
    sha256,
    async *read(start = 0, end = bytes) {
      const whole = start === 0 && end === bytes;
      const hash = whole ? createHash('sha256') : undefined;
      const place = source.locate(digest);
      if (place === undefined) throw objectMissing(digest);
      const { path, offset } = place;
      const file = await fs.promises.open(path, 'r');
      try {
        let held: Buffer | undefined;
        let position = start;
        for await (const part of readAhead(file, offset + start, offset + end)) {
          position += part.length;
          hash?.update(part);
          if (held) yield held;
          held = part;
        }
        if (position < end) throw objectCorrupt(digest, path, `has only ${position} of ${bytes} bytes`);
        if (hash !== undefined && hash.digest('hex') !== sha256) {
          throw objectCorrupt(digest, path, 'holds bytes that do not fit its digest');
        }
        if (held) yield held;
      } finally {
        await file.close();
      }
    },
  };
}

/** All of a small object. @throws MlpipeError `object-missing`, `object-corrupt` */
export function readObject(source: ObjectSource, digest: Digest): Buffer {
  const found = source.read(digest);
  if (found === undefined) throw objectMissing(digest);
  if (digestOf(found.content) === digest) return found.content;
  throw objectCorrupt(digest, found.path, 'holds bytes that do not fit its digest');
}

/** What a folder's manifest names; nothing for a file. */
export interface Named {
  parts: Digest[];
  files: { digest: Digest; bytes: Bytes }[];
}

export function namedIn(content: Buffer | undefined): Named | undefined {
  const manifest = content === undefined ? undefined : parseManifest(content);
  if (manifest === undefined) return undefined;
  return {
    parts: manifest.parts.map(({ digest }) => digest),
    files: manifest.entries.flatMap((entry) =>
      'digest' in entry ? [{ digest: entry.digest, bytes: entry.bytes }] : [],
    ),
  };
}

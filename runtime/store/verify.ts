/** Reads every object again. */
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';
import type { ContentFolder } from './content.ts';
import { parseManifest } from './manifest.ts';
import type { ObjectSource } from './source.ts';
import type { Store } from './store.ts';
import { hashFile } from './work.ts';

type Verification = Awaited<ReturnType<Store['verify']>>;

/** Objects of any size are read in pieces; a folder's files are looked for, too. */
export async function verifyObjects(objects: ContentFolder, source: ObjectSource): Promise<Verification> {
  const result: Verification = { objects: 0, bytes: 0, problems: [] };
  const wanted = new Set<Digest>();
  const found = new Set<Digest>();
  for (const name of objects.names()) {
    if (!('digest' in name)) continue;
    const { digest } = name;
    result.objects += 1;
    result.bytes += source.size(digest) ?? 0;
    found.add(digest);
    try {
      const head = source.head(digest);
      const manifest = head && parseManifest(head);
      if (hashFile(objects.path(digest)).digest !== digest) result.problems.push({ digest, problem: 'corrupt' });
      else if (manifest && head && digestOf(head) === digest) {
        for (const part of [...manifest.entries, ...manifest.parts]) {
          if ('digest' in part) wanted.add(part.digest);
        }
      }
    } catch (error) {
      if (!(error instanceof MlpipeError)) throw error;
      result.problems.push({ digest, problem: 'unreadable' });
    }
    if (result.objects % 64 === 0) await new Promise((resume) => setImmediate(resume));
  }
  for (const digest of wanted) {
    if (!found.has(digest)) result.problems.push({ digest, problem: 'missing' });
  }
  return result;
}

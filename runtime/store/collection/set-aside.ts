/** Takes damaged objects out of the way of whole ones. They are kept for whoever wants to look at them. */
import { join } from 'node:path';
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { hasCode } from '../filesystem.ts';
import type { StoreProblem } from '../store.ts';
import type { Collected } from './collect.ts';

/** What is whole in a pack beside something damaged goes to a new pack first. */
export function setAside(place: Collected, problems: readonly StoreProblem[]): void {
  const { files, objects, packs, store } = place;
  const folder = join(store, 'damaged');
  const damaged = new Set<Digest>();
  const broken = new Set<string>();
  for (const { digest, problem } of problems) {
    if (problem === 'pack') broken.add(digest.slice('sha256:'.length));
    else if (problem !== 'missing') damaged.add(digest);
  }
  if (damaged.size + broken.size === 0) return;
  files.makeFolder(folder);
  const move = (from: string, name: string) => {
    try {
      files.rename(from, join(folder, name));
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) throw error;
    }
  };
  for (const digest of damaged) move(objects.path(digest), digest.slice('sha256:'.length));
  for (const { name, path, index } of [...packs.all()]) {
    if (index === undefined) {
      if (broken.has(name)) move(path, `${name}.pack`);
      continue;
    }
    const entries = [...index.entries()];
    if (!entries.some(({ digest }) => damaged.has(digest))) continue;
    const writer = packs.begin();
    try {
      for (const { digest, offset, bytes } of entries) {
        const content = files.readPart(path, offset, bytes);
        if (digestOf(content) === digest) writer.add(digest, content);
      }
    } catch (error) {
      packs.discard([{ temporary: writer.abandon() }]);
      throw error;
    }
    const whole = writer.finish();
    if (whole.objects === entries.length) {
      // What was damaged was another copy.
      packs.discard([whole]);
      continue;
    }
    if (whole.objects > 0) packs.publish([whole]);
    else packs.discard([whole]);
    move(path, `${name}.pack`);
  }
  packs.forget();
}

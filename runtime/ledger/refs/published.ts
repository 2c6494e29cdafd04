/** The checkpoints that were published: in this repository's own refs, and in what remotes had, of git and of mlpipe. */
import { git } from '../git.ts';
import type { Ledger } from '../ledger.ts';
import { trackedCheckpoints } from '../log/tracking.ts';
import type { PublishedCheckpoint } from '../verify/logs.ts';
import { LOG_PREFIXES, parseRef } from './names.ts';
import { readObjects, refsBelow } from './objects.ts';

/** Every one that any commit of a log's ref has, and that this store has sent to a remote or found there. */
export async function publishedCheckpoints(
  root: string,
  { files, folder }: Pick<Ledger, 'files' | 'folder'>,
): Promise<PublishedCheckpoint[]> {
  const found = await inRefs(root);
  for (const { remote, writer, name, note } of trackedCheckpoints(files, folder))
    found.push({ writer, note, where: `the remote ${remote} (${name.slice(0, 21)})`, hasLeft: true });
  return found;
}

async function inRefs(folder: string): Promise<PublishedCheckpoint[]> {
  const found: PublishedCheckpoint[] = [];
  const seen = new Set<string>();
  for (const { name, commit } of await refsBelow(folder, ...LOG_PREFIXES)) {
    const ref = parseRef(name);
    if (ref?.kind !== 'log') continue;
    const { code, stdout } = await git(folder, ['rev-list', commit]);
    const commits = code === 0 ? stdout.toString('utf8').split('\n').filter(Boolean) : [];
    const notes = await readObjects(
      folder,
      commits.map((each) => `${each}:checkpoint`),
    );
    for (const [index, note] of notes.entries()) {
      const at = commits[index] ?? commit;
      const hasLeft = ref.remote !== undefined;
      const id = `${ref.writer} ${hasLeft} ${note?.toString('utf8')}`;
      if (note === undefined || seen.has(id)) continue;
      seen.add(id);
      found.push({ writer: ref.writer, note: note.toString('utf8'), where: `${name} (${at.slice(0, 12)})`, hasLeft });
    }
  }
  return found;
}

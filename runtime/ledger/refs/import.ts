/** Takes up what others have published: records and signatures are added to those that are here, and nothing is replaced. */
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { Staged } from '../../store/content.ts';
import { parsePublicKey } from '../keys/public-key.ts';
import type { Ledger } from '../ledger.ts';
import { openCheckpoint } from '../log/checkpoint.ts';
import { keepCheckpoint, keepForeignLog, originOf } from '../log/logs.ts';
import { equal, GrowingTree, leafHash } from '../log/merkle.ts';
import { heldEntries, isOwnLog, noteHeld } from '../log/tracking.ts';
import { RecordFiles } from '../record-files.ts';
import { parseSignatureName, signatureSuffix } from '../signature.ts';
import { filesIn, readObjects } from './objects.ts';

/** How many files share one sync. */
const BATCH = 2000;

/** @returns how many records were new here */
export async function importRecords(
  root: string,
  ledger: Ledger,
  commit: string,
  warn: (message: string) => void,
): Promise<number> {
  const { folder } = new RecordFiles(ledger.files, ledger.folder);
  const missing: { path: string; object: string; digest: Digest; suffix: string | undefined }[] = [];
  for (const [path, object] of await filesIn(root, commit)) {
    const name = parsePath(path);
    if (name === undefined) warn(`${path} in ${commit.slice(0, 12)} is no record and no signature.`);
    else if (ledger.files.status(folder.path(name.digest, name.suffix)) === undefined)
      missing.push({ path, object, ...name });
  }
  let records = 0;
  for (let from = 0; from < missing.length; from += BATCH) {
    const piece = missing.slice(from, from + BATCH);
    const contents = await readObjects(
      root,
      piece.map(({ object }) => object),
    );
    const staged: Staged[] = [];
    for (const [index, { path, digest, suffix }] of piece.entries()) {
      const content = contents[index];
      // What is not what its name says stays outside: it would be damage that somebody else has done.
      const fits =
        content && (suffix === undefined ? digestOf(content) === digest : signatureSuffix(content) === suffix);
      if (!content || !fits) {
        warn(`${path} in ${commit.slice(0, 12)} is not what its name says, and is left out.`);
        continue;
      }
      if (suffix === undefined) records += 1;
      const one = folder.stage(digest, content, piece.length < BATCH / 10);
      staged.push(suffix === undefined ? one : { ...one, suffix });
    }
    folder.publish(staged);
  }
  return records;
}

/**
 * Brings the log of somebody else up to what was published.
 *
 * @returns nothing, or why it cannot be believed; then the log stays as it is here
 */
export async function importLog(
  root: string,
  ledger: Ledger,
  writer: string,
  commit: string,
): Promise<string | undefined> {
  const [note, keyLine] = await readObjects(root, [`${commit}:checkpoint`, `${commit}:key`]);
  const key = parsePublicKey(keyLine?.toString('utf8') ?? '');
  if (!writer.startsWith(key.id.slice(0, 16))) return 'its key is not the one that its name says';
  const checkpoint = openCheckpoint(note?.toString('utf8') ?? '', key);
  if ('problem' in checkpoint) return `its checkpoint ${checkpoint.problem}`;
  if (checkpoint.origin !== originOf(writer)) return 'its checkpoint is of another log';
  const chunks = [...(await filesIn(root, commit))].filter(([path]) => path.startsWith('entries/')).sort();
  const contents = await readObjects(
    root,
    chunks.map(([, object]) => object),
  );
  const bytes = Buffer.concat(contents.map((each) => each ?? Buffer.alloc(0)));
  const tree = new GrowingTree();
  const records: Buffer[] = [];
  for (let at = 0; at + 32 <= bytes.length && records.length < checkpoint.size; at += 32) {
    records.push(bytes.subarray(at, at + 32));
    tree.add(leafHash(bytes.subarray(at, at + 32)));
  }
  if (records.length !== checkpoint.size || !equal(tree.root(), checkpoint.root))
    return 'its entries are not those that its checkpoint stands for';
  const log = keepForeignLog(ledger.files, ledger.folder, writer, key);
  if (log === undefined) return 'its key is another than it was';
  try {
    const here = log.entries.size();
    for (const { index, record } of log.entries.rows(0, Math.min(here, records.length)))
      if (!equal(record, records[index] ?? new Uint8Array())) return 'it is not what it was: its past was changed';
    if (records.length > here) log.entries.append(records.slice(here), here, here);
    if (records.length >= here && note && !isOwnLog(ledger.files, ledger.folder, writer))
      keepCheckpoint(ledger.files, ledger.folder, log, note.toString('utf8'));
    // Of a log that a remote has brought only some records are here; git has just brought more.
    if (Number.isFinite(heldEntries(ledger.files, ledger.folder, log))) {
      const { folder } = new RecordFiles(ledger.files, ledger.folder);
      noteHeld(ledger.files, ledger.folder, log, { before: here, has: (digest) => folder.has(digest) });
    }
    return undefined;
  } finally {
    log.close();
  }
}

function parsePath(path: string): { digest: Digest; suffix: string | undefined } | undefined {
  const match = /^([0-9a-f]{2})\/(.+)$/.exec(path);
  const [, shard, name = ''] = match ?? [];
  const record = /^([0-9a-f]{62})\.json$/.exec(name)?.[1];
  if (record) return { digest: `sha256:${shard}${record}`, suffix: undefined };
  const signature = parseSignatureName(name);
  return signature && { digest: `sha256:${shard}${signature.rest}`, suffix: signature.suffix };
}

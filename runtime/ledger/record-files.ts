/** Records and their signatures as files: what lies there, and what of it is whole. */
import { basename } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import type { ContentFolder } from '../store/content.ts';
import type { FileSystem } from '../store/filesystem.ts';
import { recordFolder } from '../store/layout.ts';
import { RECORD_FORMAT, type RunRecord } from './record.ts';
import { parseSignatureName, type ReadSignature, readSignature, signatureSuffix } from './signature.ts';

/** What one of the 256 folders holds. */
export interface ShardListing {
  /** By record: its signatures' names. */
  records: Map<Digest, string[]>;
  /** Signatures whose record is not there. */
  orphans: { digest: Digest; suffix: string }[];
  /** Paths of what is neither. */
  strangers: string[];
}

export class RecordFiles {
  readonly folder: ContentFolder;
  readonly #files: FileSystem;

  constructor(files: FileSystem, store: string) {
    this.#files = files;
    this.folder = recordFolder(files, store);
  }

  list(shard: string): ShardListing {
    const records = new Map<Digest, string[]>();
    const signatures: { digest: Digest; suffix: string }[] = [];
    const strangers: string[] = [];
    for (const name of this.folder.namesIn(shard)) {
      const signature = 'stranger' in name ? parseSignatureName(basename(name.stranger)) : undefined;
      if ('digest' in name) records.set(name.digest, []);
      else if (signature) signatures.push({ digest: `sha256:${shard}${signature.rest}`, suffix: signature.suffix });
      else strangers.push(name.stranger);
    }
    const orphans = signatures.filter(({ digest }) => !records.has(digest));
    for (const { digest, suffix } of signatures) records.get(digest)?.push(suffix);
    return { records, orphans, strangers };
  }

  read(digest: Digest): { record: RunRecord; content: Buffer } | { problem: string } {
    let content: Buffer;
    try {
      content = this.#files.read(this.folder.path(digest));
    } catch (error) {
      return { problem: `cannot be read: ${error instanceof Error ? error.message : String(error)}` };
    }
    if (digestOf(content) !== digest) return { problem: 'its content is not what its digest says' };
    // The digest proves that these bytes were written by `append`, or by another mlpipe.
    let record: RunRecord;
    try {
      record = JSON.parse(content.toString('utf8')) as RunRecord;
    } catch {
      return { problem: 'it is not JSON' };
    }
    if (record.format !== RECORD_FORMAT) return { problem: `its format is ${JSON.stringify(record.format)}` };
    return { record, content };
  }

  /** A signature by its name, unchecked; nothing where its file is not what its name says, or no signature. */
  signature(digest: Digest, suffix: string): ReadSignature | undefined {
    let content: Buffer;
    try {
      content = this.#files.read(this.folder.path(digest, suffix));
    } catch {
      // `mlpipe verify` names what cannot be read; whoever asks for signatures gets those that can.
      return undefined;
    }
    return signatureSuffix(content) === suffix ? readSignature(content) : undefined;
  }
}

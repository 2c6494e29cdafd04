/** What has arrived whole and waits for its name, many together: files of their own, and small ones in packs of the store. */
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import type { ContentFolder, Staged } from '../content.ts';
import { nodeFileSystem } from '../filesystem.ts';
import { objectFolder, packFolder } from '../layout.ts';
import { LARGEST_PACKED, type PackWriter, type StagedPack } from '../packs/pack.ts';
import type { PackFolder } from '../packs/packs.ts';

/** So many files, or so much, get their names together. */
const BATCH_FILES = 10_000;
const BATCH_BYTES = 2 ** 29;

export class Arrivals {
  readonly #objects: ContentFolder;
  readonly #packs: PackFolder;
  #files: Staged[] = [];
  #full: StagedPack[] = [];
  #open: PackWriter | undefined;
  #bytes: Bytes = 0;

  /** @param store the `.mlpipe` folder */
  constructor(store: string) {
    this.#objects = objectFolder(nodeFileSystem, store);
    this.#packs = packFolder(nodeFileSystem, store);
  }

  /** Whether content may lie in a pack of a store. */
  static isSmall(content: Uint8Array): boolean {
    return content.length <= LARGEST_PACKED;
  }

  /** A temporary file for content with this digest. */
  stage(digest: Digest, content: Uint8Array): Staged {
    return this.#objects.stage(digest, content, !nodeFileSystem.syncsEverything);
  }

  addFile(staged: Staged, bytes: Bytes): void {
    this.#files.push(staged);
    this.#grow(bytes);
  }

  /** @param content with this digest, and small */
  addToPack(digest: Digest, content: Uint8Array): void {
    this.#open ??= this.#packs.begin();
    this.#open.add(digest, content);
    if (this.#open.isFull) this.#closePack();
    this.#grow(content.length);
  }

  #grow(bytes: Bytes): void {
    this.#bytes += bytes;
    if (this.#files.length >= BATCH_FILES || this.#bytes >= BATCH_BYTES) this.publish();
  }

  #closePack(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    try {
      this.#full.push(open.finish());
    } catch (error) {
      this.#packs.discard([{ temporary: open.abandon() }]);
      throw error;
    }
  }

  /** Everything that was added has its name, durably, when it returns. */
  publish(): void {
    this.#closePack();
    const [packs, files] = [this.#full, this.#files];
    this.#full = [];
    this.#files = [];
    this.#bytes = 0;
    this.#packs.publish(packs);
    if (files.length > 0) this.#objects.publish(files);
  }

  /** Names for these alone, as before anything that names them. */
  publishFiles(files: readonly Staged[]): void {
    if (files.length > 0) this.#objects.publish(files);
  }

  /** Takes away what has no name yet, and these. */
  discard(others: readonly Staged[]): void {
    if (this.#open) this.#packs.discard([{ temporary: this.#open.abandon() }]);
    this.#open = undefined;
    this.#packs.discard(this.#full);
    this.#objects.discard([...this.#files, ...others]);
  }
}

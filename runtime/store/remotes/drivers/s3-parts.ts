/** Large files go to S3 in parts, each tried again by itself; who was killed over it goes on with what is there. */
import { createHash } from 'node:crypto';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  ListPartsCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { Bytes } from '../../../../grammar/plan/plan.ts';
import { type Content, RemoteFault } from '../driver.ts';
import { isTransient } from '../retry.ts';
import type { Claim, UnfinishedUploads } from './unfinished.ts';

/** From here on in parts. S3 takes 10,000 of them. */
export const LARGE = 64 * 2 ** 20;
const PART = 16 * 2 ** 20;
const MOST_PARTS = 10_000;
/** Parts of one file at once. */
const PARTS_AT_ONCE = 4;

interface Upload {
  Bucket: string;
  Key: string;
  UploadId: string | undefined;
}

/** Asks S3, and answers nothing for 404, what `other` says for the statuses that it knows, and else a fault. */
export type Asked = <Answer, Other = never>(
  work: () => Promise<Answer>,
  other?: (status: number) => Other | undefined,
) => Promise<Answer | Other | undefined>;

export class S3Parts {
  readonly #client: S3Client;
  readonly #asked: Asked;
  readonly #address: string;
  readonly #unfinished: UnfinishedUploads | undefined;
  #looked = false;

  constructor(client: S3Client, asked: Asked, address: string, unfinished: UnfinishedUploads | undefined) {
    this.#client = client;
    this.#asked = asked;
    this.#address = address;
    this.#unfinished = unfinished;
  }

  /** @throws RemoteFault, and what reading the content throws */
  async put(
    at: { Bucket: string; Key: string },
    content: Content,
    replace: boolean,
    signal: AbortSignal | undefined,
  ): Promise<'created' | 'present'> {
    await this.#abortStale(at.Bucket);
    const size = Math.max(PART, Math.ceil(content.bytes / MOST_PARTS));
    const { claim, upload, there } = await this.#begin(at, content, size, signal);
    try {
      const parts = await this.#send(upload, content, size, there, signal);
      const done = await this.#asked(
        () =>
          this.#client.send(
            new CompleteMultipartUploadCommand({
              ...upload,
              ...(replace ? {} : { IfNoneMatch: '*' }),
              MultipartUpload: { Parts: parts },
            }),
            withSignal(signal),
          ),
        (status) => (status === 412 ? 'taken' : undefined),
      );
      if (done === 'taken') await this.#abort(upload);
      claim?.forget();
      return done === 'taken' ? 'present' : 'created';
    } catch (error) {
      if (isGone(error)) {
        claim?.forget();
        throw new RemoteFault('it has forgotten an upload that was begun', 'transient', { cause: error });
      }
      // What broke off is gone on with; what is wrong in itself will not be.
      if (claim !== undefined && (signal?.aborted || isTransient(error))) claim.leave();
      else {
        await this.#abort(upload);
        claim?.forget();
      }
      throw error;
    }
  }

  /** Of a content that is there already: what was begun of it is thrown away. */
  async discard(at: { Bucket: string; Key: string }, content: Content): Promise<void> {
    const size = Math.max(PART, Math.ceil(content.bytes / MOST_PARTS));
    const claim = this.#claim(at, content, size);
    if (claim === undefined) return;
    await this.#abort({ ...at, UploadId: claim.upload.uploadId });
    claim.forget();
  }

  #claim(at: { Bucket: string; Key: string }, { bytes, sha256 }: Content, part: Bytes): Claim | undefined {
    if (sha256 === undefined) return undefined;
    return this.#unfinished?.claim({ address: this.#address, key: at.Key, sha256, bytes, part });
  }

  async #begin(
    at: { Bucket: string; Key: string },
    content: Content,
    size: Bytes,
    signal: AbortSignal | undefined,
  ): Promise<{
    claim: Claim | undefined;
    upload: Upload;
    there: ReadonlyMap<number, CompletedPart & { Size?: number }>;
  }> {
    const { sha256, bytes } = content;
    const left = this.#claim(at, content, size);
    if (left !== undefined) {
      const upload = { ...at, UploadId: left.upload.uploadId };
      try {
        const there = await this.#parts(upload, signal);
        if (there !== undefined) return { claim: left, upload, there };
      } catch (error) {
        if (signal?.aborted || isTransient(error)) {
          left.leave();
          throw error;
        }
      }
      // The remote has thrown it away, or cannot say what is there.
      await this.#abort(upload);
      left.forget();
    }
    const begun = await this.#asked(() => this.#client.send(new CreateMultipartUploadCommand(at), withSignal(signal)));
    const upload = { ...at, UploadId: begun?.UploadId };
    const claim =
      sha256 === undefined || upload.UploadId === undefined
        ? undefined
        : this.#unfinished?.begin({
            address: this.#address,
            key: at.Key,
            sha256,
            bytes,
            part: size,
            uploadId: upload.UploadId,
          });
    return { claim, upload, there: new Map() };
  }

  /** The parts that are there, by number; nothing where there is no such upload. */
  async #parts(
    upload: Upload,
    signal: AbortSignal | undefined,
  ): Promise<Map<number, CompletedPart & { Size?: number }> | undefined> {
    const parts = new Map<number, CompletedPart & { Size?: number }>();
    for (let marker: string | undefined; ; ) {
      const answer = await this.#asked(
        () =>
          this.#client.send(
            new ListPartsCommand({ ...upload, ...(marker === undefined ? {} : { PartNumberMarker: marker }) }),
            withSignal(signal),
          ),
        (status) => (status === 404 || status === 405 || status === 501 ? 'unknown' : undefined),
      );
      if (answer === undefined || answer === 'unknown') return undefined;
      for (const { PartNumber, ETag, Size } of answer.Parts ?? []) {
        if (PartNumber === undefined || ETag === undefined) continue;
        parts.set(PartNumber, { PartNumber, ETag, ...(Size === undefined ? {} : { Size }) });
      }
      const next = answer.IsTruncated ? answer.NextPartNumberMarker : undefined;
      if (next === undefined || next === marker) return parts;
      marker = next;
    }
  }

  async #send(
    upload: Upload,
    content: Content,
    size: Bytes,
    there: ReadonlyMap<number, CompletedPart & { Size?: number }>,
    signal: AbortSignal | undefined,
  ): Promise<CompletedPart[]> {
    const parts: CompletedPart[] = [];
    const running = new Set<Promise<void>>();
    let failure: { error: unknown } | undefined;
    let number = 0;
    try {
      // Read in order, so that the content proves itself before its last part goes.
      for await (const body of partsOf(content, size)) {
        if (failure) throw failure.error;
        number += 1;
        const PartNumber = number;
        const known = there.get(PartNumber);
        if (known?.ETag !== undefined && known.Size === body.length && isTagOf(known.ETag, body)) {
          parts.push({ PartNumber, ETag: known.ETag });
          continue;
        }
        const task = this.#part(upload, PartNumber, body, signal)
          .then((ETag) => void parts.push({ PartNumber, ...(ETag === undefined ? {} : { ETag }) }))
          .catch((error: unknown) => {
            failure ??= { error };
          })
          .finally(() => running.delete(task));
        running.add(task);
        if (running.size >= PARTS_AT_ONCE) await Promise.race(running);
      }
    } finally {
      // Nothing goes on behind the caller's back.
      await Promise.all(running);
    }
    if (failure) throw failure.error;
    return parts.sort((one, other) => (one.PartNumber ?? 0) - (other.PartNumber ?? 0));
  }

  async #part(
    upload: Upload,
    PartNumber: number,
    Body: Buffer,
    signal: AbortSignal | undefined,
  ): Promise<string | undefined> {
    for (let tries = 1; ; tries += 1) {
      try {
        const sent = await this.#asked(() =>
          this.#client.send(new UploadPartCommand({ ...upload, PartNumber, Body }), withSignal(signal)),
        );
        return sent?.ETag;
      } catch (error) {
        // One part is sent again sooner than all of them.
        if (signal?.aborted || tries >= 3 || !isTransient(error)) throw error;
      }
    }
  }

  /** What nobody comes back to would cost money for ever. */
  async #abortStale(Bucket: string): Promise<void> {
    if (this.#looked) return;
    this.#looked = true;
    for (const { key, uploadId } of this.#unfinished?.takeStale(this.#address) ?? [])
      await this.#abort({ Bucket, Key: key, UploadId: uploadId });
  }

  /** A remote that cannot be reached keeps it: a lifecycle rule of the bucket takes it away. */
  async #abort(upload: Upload): Promise<void> {
    await this.#client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
  }
}

/** Where S3 encrypts with keys of its own kind, the tag is no MD5; then the part is sent again. */
function isTagOf(tag: string, body: Buffer): boolean {
  try {
    return createHash('md5').update(body).digest('hex') === tag.replaceAll('"', '').toLowerCase();
  } catch {
    // A Node that must do without MD5.
    return false;
  }
}

function isGone(error: unknown): boolean {
  return error instanceof RemoteFault && /\bNoSuchUpload\b/.test(error.message);
}

/** Each of just that size but the last, whatever the pieces are that it comes in: part for part the same each time. */
async function* partsOf(content: Content, size: Bytes): AsyncGenerator<Buffer> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content.read()) {
    for (let rest = chunk; rest.length > 0; ) {
      const taken = rest.subarray(0, size - bytes);
      rest = rest.subarray(taken.length);
      waiting.push(taken);
      bytes += taken.length;
      if (bytes < size) continue;
      yield Buffer.concat(waiting);
      waiting = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}

export function withSignal(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

/** S3 and what speaks like it. The client is the vendor's own: it knows where credentials are, and renews them. */
import { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  type CompletedPart,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import {
  type Content,
  faultOfStatus,
  type GetOptions,
  type PutOptions,
  type RemoteDriver,
  RemoteFault,
  rangeHeader,
} from '../driver.ts';
import { isTransient } from '../retry.ts';
import type { RemoteSettings } from '../settings.ts';

/** From here on in parts, each tried again by itself. S3 takes 10,000 of them. */
const LARGE = 64 * 2 ** 20;
const PART = 16 * 2 ** 20;
const MOST_PARTS = 10_000;
/** Parts of one file at once. */
const PARTS_AT_ONCE = 4;

const nothing = () => undefined;
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

export function openS3(settings: RemoteSettings): RemoteDriver {
  return new S3Driver(settings);
}

class S3Driver implements RemoteDriver {
  readonly address: string;
  readonly abilities = { list: true, write: true, pageSize: 1000, concurrency: { first: 8, most: 64 } };
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;

  constructor({ url, endpoint, region, pathStyle }: RemoteSettings) {
    const { hostname, pathname } = new URL(url);
    this.address = endpoint === undefined ? url : `${url} at ${endpoint}`;
    this.#bucket = hostname;
    this.#prefix = decodeURIComponent(pathname).replace(/^\/+|\/+$/g, '');
    this.#client = new S3Client({
      // Trying again is done above, for all remotes alike.
      maxAttempts: 1,
      // Older servers do not know the newer checksums; ours is sent where they can check it.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      forcePathStyle: pathStyle ?? false,
      // What goes wrong is told by us; its own words would stand between the lines of `--json`.
      logger: SILENT,
      ...(region === undefined ? (endpoint === undefined ? {} : { region: 'us-east-1' }) : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
    });
  }

  async *list(prefix: string, signal?: AbortSignal) {
    const own = this.#key('');
    for (let token: string | undefined; ; ) {
      const answer = await this.#asked(() =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: this.#key(prefix),
            ...(token === undefined ? {} : { ContinuationToken: token }),
          }),
          withSignal(signal),
        ),
      );
      for (const { Key, Size } of answer?.Contents ?? []) {
        if (Key?.startsWith(own)) yield { name: Key.slice(own.length), bytes: Size ?? 0 };
      }
      token = answer?.IsTruncated ? answer.NextContinuationToken : undefined;
      if (token === undefined) return;
    }
  }

  async head(name: string, signal?: AbortSignal) {
    const answer = await this.#asked(() =>
      this.#client.send(new HeadObjectCommand(this.#at(name)), withSignal(signal)),
    );
    return answer?.ContentLength;
  }

  async get(name: string, { start = 0, end, signal }: GetOptions = {}) {
    const asked = rangeHeader(start, end);
    const range = asked === undefined ? {} : { Range: asked };
    const answer = await this.#asked(
      () => this.#client.send(new GetObjectCommand({ ...this.#at(name), ...range }), withSignal(signal)),
      // Nothing more is there than what we have: the caller sees that by the digest.
      (status) => (status === 416 ? { Body: undefined, ContentRange: `bytes ${start}-` } : undefined),
    );
    if (answer === undefined) return undefined;
    const from = /^bytes (\d+)-/.exec(answer.ContentRange ?? '')?.[1];
    const { Body: body } = answer;
    // In Node the body is a stream of Node's.
    return { start: from === undefined ? 0 : Number(from), chunks: chunksOf(body as Readable | undefined) };
  }

  async put(name: string, content: Content, { replace = false, signal }: PutOptions = {}) {
    if (content.bytes > LARGE) return this.#putParts(name, content, replace, signal);
    const condition = replace ? {} : { IfNoneMatch: '*' };
    const checksum =
      content.sha256 === undefined ? {} : { ChecksumSHA256: Buffer.from(content.sha256, 'hex').toString('base64') };
    const body = Readable.from(content.read(), { objectMode: false });
    let failure: unknown;
    // The SDK would wait for ever for a body that has failed.
    const broken = new AbortController();
    body.on('error', (error) => {
      failure = error;
      broken.abort(error);
    });
    const either = signal === undefined ? broken.signal : AbortSignal.any([signal, broken.signal]);
    const answer = await this.#asked(
      () =>
        this.#client.send(
          new PutObjectCommand({
            ...this.#at(name),
            Body: body,
            ContentLength: content.bytes,
            ...condition,
            ...checksum,
          }),
          withSignal(either),
        ),
      (status) => (status === 412 ? 'taken' : undefined),
    ).catch((error: unknown) => {
      // What went wrong with the content here says more than that its sending broke off.
      throw failure ?? error;
    });
    return answer === 'taken' ? ('present' as const) : ('created' as const);
  }

  async delete(name: string, signal?: AbortSignal) {
    await this.#asked(() => this.#client.send(new DeleteObjectCommand(this.#at(name)), withSignal(signal)));
  }

  async settle() {
    // S3 answers when it is durable.
  }

  async close() {
    this.#client.destroy();
  }

  async #putParts(name: string, content: Content, replace: boolean, signal: AbortSignal | undefined) {
    // Parts are not kept between tries, so nothing of a name that is taken is sent twice.
    if (!replace && (await this.head(name, signal)) === content.bytes) return 'present' as const;
    const at = this.#at(name);
    const begun = await this.#asked(() => this.#client.send(new CreateMultipartUploadCommand(at), withSignal(signal)));
    const upload = { ...at, UploadId: begun?.UploadId };
    try {
      const parts: CompletedPart[] = [];
      const running = new Set<Promise<void>>();
      let failure: { error: unknown } | undefined;
      let number = 0;
      // Read in order, so that the content proves itself before its last part goes.
      for await (const body of partsOf(content)) {
        if (failure) throw failure.error;
        number += 1;
        const PartNumber = number;
        const task = this.#part(upload, PartNumber, body, signal)
          .then((ETag) => void parts.push({ PartNumber, ...(ETag === undefined ? {} : { ETag }) }))
          .catch((error: unknown) => {
            failure ??= { error };
          })
          .finally(() => running.delete(task));
        running.add(task);
        if (running.size >= PARTS_AT_ONCE) await Promise.race(running);
      }
      await Promise.all(running);
      if (failure) throw failure.error;
      parts.sort((one, other) => (one.PartNumber ?? 0) - (other.PartNumber ?? 0));
      const condition = replace ? {} : { IfNoneMatch: '*' };
      const done = await this.#asked(
        () =>
          this.#client.send(
            new CompleteMultipartUploadCommand({ ...upload, ...condition, MultipartUpload: { Parts: parts } }),
            withSignal(signal),
          ),
        (status) => (status === 412 ? 'taken' : undefined),
      );
      if (done === 'taken') await this.#abort(upload);
      return done === 'taken' ? ('present' as const) : ('created' as const);
    } catch (error) {
      await this.#abort(upload);
      throw error;
    }
  }

  async #part(
    upload: { Bucket: string; Key: string; UploadId: string | undefined },
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

  /** What was sent would cost money for ever. A lifecycle rule of the bucket takes away what a killed process left. */
  async #abort(upload: { Bucket: string; Key: string; UploadId: string | undefined }): Promise<void> {
    await this.#client.send(new AbortMultipartUploadCommand(upload)).catch(() => undefined);
  }

  #key(name: string): string {
    return this.#prefix === '' ? name : `${this.#prefix}/${name}`;
  }

  #at(name: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#key(name) };
  }

  /** Nothing for 404, as the interface has it. */
  async #asked<Answer, Other = never>(
    work: () => Promise<Answer>,
    other: (status: number) => Other | undefined = () => undefined,
  ): Promise<Answer | Other | undefined> {
    try {
      return await work();
    } catch (error) {
      const status = statusOf(error);
      if (status === undefined) throw transportFault(error);
      const instead = other(status);
      if (instead !== undefined) return instead;
      const name = error instanceof Error ? error.name : '';
      if (status === 404 && name !== 'NoSuchBucket' && name !== 'NoSuchUpload') return undefined;
      const message = error instanceof Error ? `${name} ${error.message}` : String(error);
      throw faultOfStatus(status, message.trim(), retryAfterOf(error));
    }
  }
}

async function* chunksOf(body: Readable | undefined): AsyncGenerator<Uint8Array> {
  if (body === undefined) return;
  try {
    yield* body;
  } catch (error) {
    throw transportFault(error);
  }
}

async function* partsOf(content: Content): AsyncGenerator<Buffer> {
  const size = Math.max(PART, Math.ceil(content.bytes / MOST_PARTS));
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of content.read()) {
    waiting.push(chunk);
    bytes += chunk.length;
    if (bytes < size) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}

function withSignal(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal };
}

function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  // Every error of the SDK that is an answer carries this.
  const status = (error.$metadata as { httpStatusCode?: number }).httpStatusCode;
  return status !== undefined && status >= 300 ? status : undefined;
}

function retryAfterOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('$response' in error)) return undefined;
  // As above; the answer's headers are in lower case.
  return (error.$response as { headers?: Record<string, string> } | undefined)?.headers?.['retry-after'];
}

/** No answer came: by rights, or because the line broke. */
function transportFault(error: unknown): unknown {
  if (!(error instanceof Error) || error.name === 'AbortError') return error;
  if (/Credentials|TokenProvider|ExpiredToken/i.test(error.name) || /credential/i.test(error.message)) {
    return new RemoteFault(error.message, 'denied', { cause: error });
  }
  if (
    error instanceof RemoteFault ||
    !('code' in error || error.name === 'TimeoutError' || /socket|aborted|hang up/i.test(error.message))
  )
    return error;
  return isTransient(error) || error.name === 'TimeoutError' || /socket|aborted|hang up/i.test(error.message)
    ? new RemoteFault(error.message, 'transient', { cause: error })
    : error;
}

/** S3 and what speaks like it. The client is the vendor's own: it knows where credentials are, and renews them. */
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
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
import { LARGE, S3Parts, withSignal } from './s3-parts.ts';
import { UnfinishedUploads } from './unfinished.ts';

const nothing = () => undefined;
const SILENT = { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing };

/** @param store where uploads that break off are remembered */
export function openS3(settings: RemoteSettings, store?: string): RemoteDriver {
  return new S3Driver(settings, store);
}

class S3Driver implements RemoteDriver {
  readonly address: string;
  readonly abilities = { list: true, write: true, pageSize: 1000, concurrency: { first: 8, most: 64 } };
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #parts: S3Parts;

  constructor({ url, endpoint, region, pathStyle }: RemoteSettings, store?: string) {
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
    const unfinished = store === undefined ? undefined : new UnfinishedUploads(store);
    this.#parts = new S3Parts(
      this.#client,
      (work, other) => this.#asked(work, other),
      `${endpoint ?? ''} ${this.#bucket}`,
      unfinished,
    );
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
    const at = this.#at(name);
    // Nothing of a name that is taken is sent twice.
    if (!replace && (await this.head(name, signal)) === content.bytes) {
      await this.#parts.discard(at, content);
      return 'present' as const;
    }
    return this.#parts.put(at, content, replace, signal);
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

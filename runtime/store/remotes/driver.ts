/** What a remote must be able to do: five verbs over names and bytes. Everything clever is above, once for all remotes. */
import type { Bytes } from '../../../grammar/plan/plan.ts';

export interface RemoteDriver {
  /** Where it is, as a person may read it: never with a credential. */
  readonly address: string;
  readonly abilities: Abilities;
  /** Everything whose name begins so. The order is the remote's. */
  list(prefix: string, signal?: AbortSignal): AsyncIterable<Listed>;
  /** Its size, or nothing where there is none. */
  head(name: string, signal?: AbortSignal): Promise<Bytes | undefined>;
  /**
   * The content from `start` to before `end`, or nothing where there is none. A remote that knows no ranges answers from
   * the beginning, and says so; one may answer more than was asked for, so `rangeOf` cuts.
   */
  get(name: string, options?: GetOptions): Promise<Body | undefined>;
  /**
   * Whole under its name or not there at all. What has the name already stays, unless it is to be replaced; a remote
   * that cannot tell replaces it, by bytes that must be equal, as names are digests.
   */
  put(name: string, content: Content, options?: PutOptions): Promise<'created' | 'present'>;
  /** Nothing happens where there is none. */
  delete(name: string, signal?: AbortSignal): Promise<void>;
  /** Whatever was put is durable, and has its name, when it returns. */
  settle(): Promise<void>;
  close(): Promise<void>;
}

export interface Abilities {
  /** Whether names can be listed at all. */
  list: boolean;
  write: boolean;
  /** How many names one answer to `list` holds: what a listing costs. */
  pageSize: number;
  /** Requests at once to begin with, and at most. */
  concurrency: { first: number; most: number };
}

export interface Listed {
  name: string;
  bytes: Bytes;
}

export interface GetOptions {
  start?: Bytes;
  end?: Bytes;
  signal?: AbortSignal;
}

export interface Body {
  /** Where it really begins. */
  start: Bytes;
  chunks: AsyncIterable<Uint8Array>;
}

/** Bytes that can be read again from anywhere, for a second try. */
export interface Content {
  bytes: Bytes;
  /** In hexadecimal, where the name is the content's digest: a remote that can check it on arrival does. */
  sha256?: string;
  read(start?: Bytes, end?: Bytes): AsyncIterable<Uint8Array>;
}

export interface PutOptions {
  replace?: boolean;
  signal?: AbortSignal;
}

/** `transient`: may work when tried again. `denied`: by rights. `refused`: by the remote, and will be again. */
export type FaultKind = 'transient' | 'denied' | 'refused';

/** A remote did not do what it was asked to. What a person is told is made of it in `failure.ts`. */
export class RemoteFault extends Error {
  readonly kind: FaultKind;
  /** Seconds that the remote asks to be left alone. */
  readonly retryAfter: number | undefined;

  constructor(message: string, kind: FaultKind, options: { cause?: unknown; retryAfter?: number } = {}) {
    super(message, { cause: options.cause });
    this.name = 'RemoteFault';
    this.kind = kind;
    this.retryAfter = options.retryAfter;
  }
}

/** By the number that HTTP answers with. */
export function faultOfStatus(status: number, message: string, retryAfter?: string | null): RemoteFault {
  const seconds = Number(retryAfter);
  const kind: FaultKind =
    status === 401 || status === 403
      ? 'denied'
      : status === 408 || status === 409 || status === 423 || status === 425 || status === 429 || status >= 500
        ? 'transient'
        : 'refused';
  return new RemoteFault(`${status} ${message}`.trim(), kind, {
    ...(retryAfter && Number.isFinite(seconds) ? { retryAfter: seconds } : {}),
  });
}

/** Bytes in memory as content. */
export function contentOf(bytes: Uint8Array, sha256?: string): Content {
  return {
    bytes: bytes.length,
    ...(sha256 === undefined ? {} : { sha256 }),
    async *read(start = 0, end = bytes.length) {
      yield bytes.subarray(start, end);
    },
  };
}

/** All of a body that is known to be small. */
export async function bytesOf(body: Body): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of body.chunks) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What HTTP calls it; nothing where all is wanted. */
export function rangeHeader(start: Bytes, end: Bytes | undefined): string | undefined {
  if (start === 0 && end === undefined) return undefined;
  return `bytes=${start}-${end === undefined ? '' : end - 1}`;
}

/** Of a body that may begin before what was wanted, and go on after it: just that. */
export async function* rangeOf(body: Body, start: Bytes, end: Bytes): AsyncGenerator<Uint8Array> {
  let at = body.start;
  for await (const chunk of body.chunks) {
    const [from, to] = [Math.max(0, start - at), Math.min(chunk.length, end - at)];
    at += chunk.length;
    if (from < to) yield chunk.subarray(from, to);
    if (at >= end) return;
  }
}

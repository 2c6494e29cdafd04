/** HTTP: read by anybody's server; written where it speaks WebDAV, by PUT to a name of our own and MOVE. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
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
import type { NamedRemote } from '../settings.ts';

export function openHttp(remote: NamedRemote): RemoteDriver {
  return new HttpDriver(remote);
}

class HttpDriver implements RemoteDriver {
  readonly address: string;
  readonly abilities;
  readonly #base: string;
  readonly #authorization: string | undefined;
  /** Made by us, being made, or not made after all. */
  readonly #folders = new Map<string, Promise<void>>();

  constructor({ name, settings: { url } }: NamedRemote) {
    const writes = /^(?:web)?davs?:/i.test(url);
    const base = url.replace(/^(?:web)?dav(s?):/i, 'http$1:').replace(/\/+$/, '');
    this.address = url;
    this.#base = `${base}/`;
    this.abilities = { list: writes, write: writes, pageSize: 1000, concurrency: { first: 8, most: 32 } };
    this.#authorization = authorizationFor(name, new URL(base).hostname);
  }

  async *list(prefix: string, signal?: AbortSignal) {
    const at = prefix.lastIndexOf('/') + 1;
    yield* this.#below(prefix.slice(0, at), prefix.slice(at), signal);
  }

  async *#below(
    folder: string,
    beginning: string,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<{ name: string; bytes: number }> {
    const answer = await this.#ask('PROPFIND', folder, {
      signal,
      headers: { Depth: '1', 'Content-Type': 'application/xml' },
      body: '<?xml version="1.0"?><propfind xmlns="DAV:"><prop><getcontentlength/><resourcetype/></prop></propfind>',
    });
    if (answer === undefined) return;
    for (const { path, bytes, folder: isFolder } of membersIn(await textOf(answer))) {
      const name = this.#nameOf(path);
      if (
        name === undefined ||
        !name.startsWith(folder + beginning) ||
        name.replace(/\/$/, '') === folder.replace(/\/$/, '')
      )
        continue;
      if (isFolder) yield* this.#below(name.endsWith('/') ? name : `${name}/`, '', signal);
      else yield { name, bytes };
    }
  }

  async head(name: string, signal?: AbortSignal) {
    const answer = await this.#ask('HEAD', name, { signal });
    if (answer === undefined) return undefined;
    const length = answer.headers.get('content-length');
    return Number(length ?? 0);
  }

  async get(name: string, { start = 0, end, signal }: GetOptions = {}) {
    const headers: Record<string, string> = { 'Accept-Encoding': 'identity' };
    const range = rangeHeader(start, end);
    if (range !== undefined) headers.Range = range;
    const answer = await this.#ask('GET', name, { signal, headers, allow: [416] });
    if (answer === undefined) return undefined;
    // Nothing more is there than what we have: the caller sees that by the digest.
    if (answer.status === 416) return { start, chunks: chunksOf(null) };
    const from = answer.status === 206 ? /^bytes (\d+)-/.exec(answer.headers.get('content-range') ?? '')?.[1] : '0';
    return { start: Number(from ?? 0), chunks: chunksOf(answer.body) };
  }

  async put(name: string, content: Content, { replace = false, signal }: PutOptions = {}) {
    if (!this.abilities.write) {
      throw new RemoteFault('plain HTTP is only read; write dav:// or davs:// for WebDAV', 'refused');
    }
    if (!replace && (await this.head(name, signal)) !== undefined) return 'present' as const;
    const temporary = `tmp/${randomBytes(12).toString('hex')}`;
    await this.#makeFolders('tmp/', signal);
    await this.#makeFolders(name.slice(0, name.lastIndexOf('/') + 1), signal);
    let moved = false;
    try {
      let failure: unknown;
      await this.#ask('PUT', temporary, {
        signal,
        headers: { 'Content-Length': String(content.bytes), 'Content-Type': 'application/octet-stream' },
        body: ReadableStream.from(
          noting(content.read(), (error) => {
            failure = error;
          }),
        ),
        missing: 'fault',
      }).catch((error: unknown) => {
        throw failure ?? error;
      });
      const answer = await this.#ask('MOVE', temporary, {
        signal,
        headers: { Destination: this.#url(name), Overwrite: replace ? 'T' : 'F' },
        allow: [412],
        missing: 'fault',
      });
      moved = answer?.status !== 412;
      return moved ? ('created' as const) : ('present' as const);
    } finally {
      if (!moved) await this.delete(temporary).catch(() => undefined);
    }
  }

  async delete(name: string, signal?: AbortSignal) {
    await this.#ask('DELETE', name, { signal });
  }

  async settle() {
    // A server answers when it has stored; more cannot be asked of it.
  }

  async close() {}

  /** One by one from above, as MKCOL makes no more; what is there already is answered by 405. */
  async #makeFolders(folder: string, signal: AbortSignal | undefined): Promise<void> {
    const names = folder.split('/').filter((name) => name !== '');
    for (let depth = 0; depth <= names.length; depth += 1) {
      const path = names
        .slice(0, depth)
        .map((name) => `${name}/`)
        .join('');
      // The one who makes it may fail for reasons of its own, its signal among them.
      const isMade = await this.#folders.get(path)?.then(
        () => true,
        () => false,
      );
      if (isMade) continue;
      const making = this.#makeFolder(path, signal);
      this.#folders.set(path, making);
      await making;
    }
  }

  async #makeFolder(path: string, signal: AbortSignal | undefined): Promise<void> {
    const thereAlready = [405, 301, 409];
    const answer = await this.#ask('MKCOL', path, { signal, allow: [...thereAlready, 403] });
    // Apache says 403 where another is making it just now, too; by the second question it is there.
    if (answer?.status === 403) await this.#ask('MKCOL', path, { signal, allow: thereAlready });
  }

  #url(name: string): string {
    return this.#base + name.split('/').map(encodeURIComponent).join('/');
  }

  #nameOf(path: string): string | undefined {
    const base = decodeURIComponent(new URL(this.#base).pathname);
    const whole = decodeURIComponent(new URL(path, this.#base).pathname);
    return whole.startsWith(base) ? whole.slice(base.length) : undefined;
  }

  async #ask(
    method: string,
    name: string,
    options: {
      signal: AbortSignal | undefined;
      headers?: Record<string, string>;
      body?: string | ReadableStream<Uint8Array>;
      allow?: number[];
      missing?: 'fault';
    },
  ): Promise<Response | undefined> {
    const { signal, headers = {}, body, allow = [] } = options;
    let answer: Response;
    try {
      answer = await fetch(this.#url(name), {
        method,
        headers: { ...headers, ...(this.#authorization === undefined ? {} : { Authorization: this.#authorization }) },
        redirect: method === 'GET' || method === 'HEAD' ? 'follow' : 'manual',
        ...(signal === undefined ? {} : { signal }),
        ...(body === undefined ? {} : { body, ...(typeof body === 'string' ? {} : { duplex: 'half' as const }) }),
      });
    } catch (error) {
      throw transportFault(error);
    }
    if (answer.ok || allow.includes(answer.status)) {
      if (method !== 'GET' && method !== 'PROPFIND') await answer.body?.cancel();
      return answer;
    }
    await answer.body?.cancel();
    if ((answer.status === 404 || answer.status === 410) && options.missing === undefined) return undefined;
    // A collection above is not there (yet): another writer may have just removed or not yet made it.
    throw faultOfStatus(answer.status, answer.statusText, answer.headers.get('retry-after'));
  }
}

async function* chunksOf(body: ReadableStream<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  if (body === null) return;
  try {
    yield* body;
  } catch (error) {
    throw transportFault(error);
  }
}

async function textOf(answer: Response): Promise<string> {
  try {
    return await answer.text();
  } catch (error) {
    throw transportFault(error);
  }
}

async function* noting(
  chunks: AsyncIterable<Uint8Array>,
  onError: (error: unknown) => void,
): AsyncGenerator<Uint8Array> {
  try {
    yield* chunks;
  } catch (error) {
    onError(error);
    throw error;
  }
}

interface Member {
  path: string;
  bytes: number;
  folder: boolean;
}

/** Of a multistatus answer no more is wanted than three facts, which no prefix of a namespace can hide. */
function membersIn(xml: string): Member[] {
  return [...xml.matchAll(/<(?:[\w-]+:)?response\b[\s\S]*?<\/(?:[\w-]+:)?response>/gi)].flatMap(([response]) => {
    const path = /<(?:[\w-]+:)?href\b[^>]*>([^<]*)</i.exec(response)?.[1];
    if (path === undefined) return [];
    const bytes = Number(/<(?:[\w-]+:)?getcontentlength\b[^>]*>(\d+)</i.exec(response)?.[1] ?? 0);
    return [{ path: unescaped(path.trim()), bytes, folder: /<(?:[\w-]+:)?collection\b/i.test(response) }];
  });
}

function unescaped(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&amp;', '&');
}

function transportFault(error: unknown): unknown {
  if (!(error instanceof TypeError)) return error;
  const cause = error.cause instanceof Error ? error.cause.message : error.message;
  // `fetch` wraps what broke; a body that ended too early has no code of its own.
  return isTransient(error) || /terminated|other side closed|socket/i.test(`${error.message} ${cause}`)
    ? new RemoteFault(cause, 'transient', { cause: error })
    : new RemoteFault(cause, 'refused', { cause: error });
}

/** From variables that are named after the remote, else from `~/.netrc`, as curl and git read it. */
function authorizationFor(remote: string, host: string): string | undefined {
  const variable = (suffix: string) =>
    process.env[`MLPIPE_REMOTE_${remote.toUpperCase().replace(/[^A-Z0-9]/g, '_')}_${suffix}`];
  const token = variable('TOKEN');
  if (token) return `Bearer ${token}`;
  const user = variable('USER');
  if (user) return basic(user, variable('PASSWORD') ?? '');
  const found = netrcEntry(host);
  return found && basic(found.login, found.password);
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function netrcEntry(host: string): { login: string; password: string } | undefined {
  let text: string;
  try {
    text = fs.readFileSync(process.env.NETRC ?? join(homedir(), '.netrc'), 'utf8');
  } catch {
    // Most people have none.
    return undefined;
  }
  const words = text.split(/\s+/);
  const at = words.findIndex((word, index) => word === 'machine' && words[index + 1] === host);
  if (at < 0) return undefined;
  const entry = words.slice(at + 2);
  const end = entry.findIndex((word) => word === 'machine' || word === 'default');
  const own = end < 0 ? entry : entry.slice(0, end);
  const after = (name: string) => (own.includes(name) ? own[own.indexOf(name) + 1] : undefined) ?? '';
  return { login: after('login'), password: after('password') };
}

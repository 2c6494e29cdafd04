/** GET over HTTP(S): redirects, proxies, own certificates, credentials that go to their own host alone. */
import { readFileSync } from 'node:fs';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { rootCertificates } from 'node:tls';
import { withoutCredentials } from './index-configuration.ts';

const REDIRECTS = 5;

export interface WebOptions {
  headers?: Record<string, string>;
  /** A file of certificates to trust besides the usual ones. */
  certificates?: string | undefined;
  signal?: AbortSignal | undefined;
  /** Milliseconds without a byte after which the connection counts as dead. */
  silence?: number;
}

/** What did not answer, or not as it should. */
export class WebError extends Error {
  /** Of HTTP; nothing where no answer came. */
  readonly status: number | undefined;

  constructor(message: string, options: { status?: number; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.name = 'WebError';
    this.status = options.status;
  }
}

/**
 * The answer to a GET, whatever its status, its body not yet read.
 *
 * @throws WebError where no answer comes; the signal's reason where it is aborted
 */
export async function get(address: string, options: WebOptions = {}): Promise<{ answer: IncomingMessage; url: URL }> {
  let url = new URL(address);
  const credentials = { origin: url.origin, user: url.username, password: url.password };
  for (let redirects = 0; redirects <= REDIRECTS; redirects++) {
    const authorization =
      url.origin === credentials.origin && credentials.user !== ''
        ? basic(credentials.user, credentials.password)
        : undefined;
    const answer = await ask(url, authorization, options);
    const { statusCode = 0, headers } = answer;
    if (statusCode < 300 || statusCode >= 400 || headers.location === undefined || statusCode === 304)
      return { answer, url };
    answer.resume();
    url = new URL(headers.location, url);
  }
  throw new WebError(`${withoutCredentials(address)} only leads from one address to another.`);
}

/** The whole body as text. @throws WebError also where the status is not 200 */
export async function getText(
  address: string,
  options: WebOptions = {},
): Promise<{ text: string; type: string; url: URL }> {
  const { answer, url } = await get(address, options);
  if (answer.statusCode !== 200) {
    answer.resume();
    throw new WebError(`${withoutCredentials(address)} answers ${answer.statusCode}.`, {
      status: answer.statusCode ?? 0,
    });
  }
  const pieces: Buffer[] = [];
  try {
    for await (const piece of answer) pieces.push(piece as Buffer); // no encoding is set, so pieces are bytes
  } catch (cause) {
    options.signal?.throwIfAborted();
    throw new WebError(`${withoutCredentials(address)} broke off.`, { cause });
  }
  return { text: Buffer.concat(pieces).toString('utf8'), type: answer.headers['content-type'] ?? '', url };
}

function ask(url: URL, authorization: string | undefined, options: WebOptions): Promise<IncomingMessage> {
  const { headers = {}, certificates, signal, silence = 60_000 } = options;
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') throw new WebError(`${withoutCredentials(url.href)} is no web address.`);
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void => {
      if (signal?.aborted) reject(signal.reason);
      else reject(new WebError(`${withoutCredentials(url.href)} cannot be reached: ${wordsOf(cause)}.`, { cause }));
    };
    const request = (secure ? https : http).get(
      {
        protocol: url.protocol,
        hostname: url.hostname.replace(/^\[|\]$/g, ''),
        ...(url.port === '' ? {} : { port: url.port }),
        path: url.pathname + url.search,
        headers: { 'user-agent': 'mlpipe', ...headers, ...(authorization ? { authorization } : {}) },
        agent: agentFor(secure, certificates),
        ...(signal ? { signal } : {}),
      },
      resolve,
    );
    request.setTimeout(silence, () => request.destroy(new Error('nothing came for too long')));
    request.once('error', fail);
  });
}

/** Uses `HTTPS_PROXY` and its like, where this Node can. */
function agentFor(secure: boolean, certificates: string | undefined): http.Agent {
  const common = { proxyEnv: process.env };
  if (!secure) return new http.Agent(common);
  return new https.Agent({
    ...common,
    ...(certificates ? { ca: [...rootCertificates, readFileSync(certificates)] } : {}),
  });
}

/** An error that joins several, one an address, has no message of its own. */
function wordsOf(cause: Error): string {
  const first = cause instanceof AggregateError ? cause.errors[0] : cause;
  return (first instanceof Error ? first.message : String(first)).replace(/\.$/, '');
}

function basic(user: string, password: string): string {
  return `Basic ${Buffer.from(`${decodeURIComponent(user)}:${decodeURIComponent(password)}`).toString('base64')}`;
}

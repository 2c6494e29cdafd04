/** Sends OpenLineage events to a server. The only place of mlpipe that sends anything, and only where it is told to. */
import { MlpipeError } from '../errors.ts';
import { withoutUrlCredentials } from '../ledger/credentials.ts';
import type { RunEvent } from './openlineage.ts';

/** Where servers that were named without a path take events. */
const PATH = '/api/v1/lineage';

export interface SendOptions {
  /** For one event. */
  milliseconds?: number;
  /** `OPENLINEAGE_API_KEY` is sent as a bearer token, as OpenLineage's own clients do. */
  environment?: NodeJS.ProcessEnv;
}

/**
 * Sends events one after the other, in their order.
 *
 * @returns where they went
 * @throws MlpipeError `lineage-server` naming how many had arrived before
 */
export async function sendEvents(events: readonly RunEvent[], to: string, options: SendOptions = {}): Promise<string> {
  const { milliseconds = 10_000, environment = process.env } = options;
  const url = placeOf(to);
  const shown = withoutUrlCredentials(url.href);
  const headers = authorization(url, environment);
  for (const [index, event] of events.entries()) {
    const fail = (why: string, cause?: unknown) =>
      new MlpipeError(`${shown} did not take event ${index + 1} of ${events.length}: ${why}.`, {
        code: 'lineage-server',
        todo: 'Check the address and that the server runs; sending all again does no harm, for events have ids.',
        exit: 2,
        cause,
      });
    let answer: Response;
    try {
      answer = await fetch(url, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify(event),
        // A token must not follow to wherever the server points.
        redirect: 'manual',
        signal: AbortSignal.timeout(milliseconds),
      });
    } catch (error) {
      throw fail(reasonOf(error, milliseconds), error);
    }
    const text = await answer.text().catch(() => '');
    if (!answer.ok) throw fail(`it answered ${answer.status} ${text.slice(0, 200).trim()}`.trim());
  }
  return shown;
}

function placeOf(to: string): URL {
  const url = URL.canParse(to) ? new URL(to) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new MlpipeError(`${withoutUrlCredentials(to)} is no address that events can be sent to.`, {
      code: 'usage',
      todo: 'Write for example --to http://localhost:5000.',
      exit: 2,
    });
  }
  if (url.pathname === '/') url.pathname = PATH;
  return url;
}

/** Takes a name and a password out of the address, which `fetch` refuses there. */
function authorization(url: URL, environment: NodeJS.ProcessEnv): Record<string, string> {
  const { username, password } = url;
  url.username = '';
  url.password = '';
  if (username !== '' || password !== '') {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
  }
  const token = environment.OPENLINEAGE_API_KEY;
  return token === undefined || token === '' ? {} : { authorization: `Bearer ${token}` };
}

function reasonOf(error: unknown, milliseconds: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError') return `no answer within ${milliseconds / 1000} s`;
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}

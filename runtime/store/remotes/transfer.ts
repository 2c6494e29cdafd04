/** One remote in use: its driver, how patient we are with it, and how much at once. */
import type { Bytes } from '../../../grammar/plan/plan.ts';
import type { Chunking } from './chunker.ts';
import { adaptingPace, type Pace } from './concurrency.ts';
import type { RemoteDriver } from './driver.ts';
import { remoteFailure } from './failure.ts';
import { persistently, type RetryOptions, watchdog } from './retry.ts';

/** What is sent or fetched, as it goes on. */
export interface TransferEvent {
  type: 'transfer';
  direction: 'up' | 'down';
  phase: 'comparing' | 'objects' | 'records';
  objects: number;
  objectsTotal: number;
  bytes: Bytes;
  bytesTotal: Bytes;
  /** Requests at once, as they are now. */
  width: number;
}

export interface TransferOptions {
  signal?: AbortSignal;
  onEvent?: (event: TransferEvent) => void;
  retry?: Omit<RetryOptions, 'signal' | 'onFault'>;
  /** Milliseconds without a single byte after which a request is given up. */
  silence?: number;
  /** A test puts something around the driver that fails. */
  around?: (driver: RemoteDriver) => RemoteDriver;
}

const SILENCE = 60_000;

export interface Line {
  driver: RemoteDriver;
  pace: Pace;
  signal: AbortSignal | undefined;
  options: TransferOptions;
  /** How the remote's chunks are cut; nothing where it has neither chunks nor packs. Known when its format is. */
  chunking: Chunking | undefined;
  /** Tries again what may pass, and ends what falls silent. */
  attempt<Result>(
    work: (guard: { signal: AbortSignal; alive: () => void }) => Promise<Result>,
    signal?: AbortSignal,
  ): Promise<Result>;
}

export function openLine(driver: RemoteDriver, options: TransferOptions = {}): Line {
  const pace = adaptingPace(driver.abilities.concurrency);
  return {
    driver,
    pace,
    signal: options.signal,
    options,
    chunking: undefined,
    attempt(work, signal = options.signal) {
      return persistently(
        async () => {
          const dog = watchdog(options.silence ?? SILENCE, signal);
          try {
            return await untilAborted(work(dog), dog.signal);
          } finally {
            dog.end();
          }
        },
        { ...options.retry, onFault: pace.failed, ...(signal === undefined ? {} : { signal }) },
      );
    },
  };
}

/** Whatever was sent is durable from here on. */
export async function settled(line: Line): Promise<void> {
  try {
    await line.driver.settle();
  } catch (error) {
    throw remoteFailure(line.driver.address, 'what was just sent', error);
  }
}

/** A driver that does not heed its signal is left behind. */
function untilAborted<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    const give = () => reject(signal.reason);
    if (signal.aborted) give();
    signal.addEventListener('abort', give, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', give));
  });
}

/** Counts, and tells now and then. */
export class Progress {
  readonly #line: Line;
  readonly #direction: TransferEvent['direction'];
  #last = 0;
  #phase: TransferEvent['phase'] = 'comparing';
  objects = 0;
  objectsTotal = 0;
  bytes: Bytes = 0;
  bytesTotal: Bytes = 0;

  constructor(line: Line, direction: TransferEvent['direction']) {
    this.#line = line;
    this.#direction = direction;
  }

  begin(phase: TransferEvent['phase'], objectsTotal = this.objectsTotal, bytesTotal = this.bytesTotal): void {
    this.#phase = phase;
    this.objectsTotal = objectsTotal;
    this.bytesTotal = bytesTotal;
    this.tell(true);
  }

  tell(now = false): void {
    const { onEvent } = this.#line.options;
    const time = performance.now();
    if (onEvent === undefined || (!now && time - this.#last < 100)) return;
    this.#last = time;
    onEvent({
      type: 'transfer',
      direction: this.#direction,
      phase: this.#phase,
      objects: this.objects,
      objectsTotal: Math.max(this.objects, this.objectsTotal),
      bytes: this.bytes,
      bytesTotal: Math.max(this.bytes, this.bytesTotal),
      width: this.#line.pace.width,
    });
  }
}

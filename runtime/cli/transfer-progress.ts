/** Objects on their way: one bar in a terminal; a pipe gets a line now and then. */
import type { TransferEvent } from '../store/remotes/transfer.ts';
import { count, size } from '../words.ts';
import { paint } from './output.ts';

const WIDTH = 24;
/** Between two lines in a log. */
const LINE_MILLISECONDS = 10_000;

export class TransferProgress {
  readonly #terminal: boolean;
  readonly #quiet: boolean;
  readonly #began = performance.now();
  #last = performance.now();
  #drawn = false;

  constructor(options: { terminal: boolean; quiet: boolean }) {
    this.#terminal = options.terminal;
    this.#quiet = options.quiet;
  }

  show(event: TransferEvent): void {
    if (this.#quiet) return;
    if (this.#terminal) {
      this.end();
      process.stderr.write(this.#words(event));
      this.#drawn = true;
      return;
    }
    const now = performance.now();
    if (now - this.#last < LINE_MILLISECONDS) return;
    this.#last = now;
    process.stderr.write(`${this.#words(event)}\n`);
  }

  end(): void {
    if (!this.#drawn) return;
    this.#drawn = false;
    process.stderr.write('\r\u001b[0K');
  }

  #words({ direction, phase, objects, objectsTotal, bytes, bytesTotal }: TransferEvent): string {
    if (phase === 'comparing') return '  comparing with what is there';
    const share = bytesTotal > 0 ? bytes / bytesTotal : objectsTotal > 0 ? objects / objectsTotal : 0;
    const full = Math.round(Math.min(1, share) * WIDTH);
    const bar = paint('cyan', '━'.repeat(full)) + paint('gray', '━'.repeat(WIDTH - full));
    const seconds = Math.max(0.1, (performance.now() - this.#began) / 1000);
    return `  ${direction === 'up' ? 'sending' : 'fetching'} ${bar} ${count(objects)}/${count(objectsTotal)} ${phase}, ${size(bytes)}, ${size(bytes / seconds)}/s`;
  }
}

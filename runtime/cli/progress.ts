/** A run as it goes: bars in a terminal, plain lines in a pipe. */
import type { RunEvent, StepProgress } from '../events.ts';
import { metric } from '../words.ts';
import { duration, paint } from './output.ts';

const WIDTH = 24;
const FRAME_MILLISECONDS = 80;

const MARKS: Record<string, { mark: string; style: 'green' | 'red' | 'yellow' | 'gray' }> = {
  ran: { mark: '✓', style: 'green' },
  cached: { mark: '=', style: 'gray' },
  failed: { mark: '✗', style: 'red' },
  skipped: { mark: '–', style: 'gray' },
  cancelled: { mark: '–', style: 'yellow' },
};

/** Shows a run's events on stderr. */
export class Progress {
  readonly #terminal: boolean;
  readonly #verbose: boolean;
  readonly #running = new Map<string, StepProgress>();
  #drawn = 0;
  #last = 0;
  /** By step: the last phase before its work that a plain line was written for. */
  readonly #phases = new Map<string, string>();
  /** By step: the last epoch that a plain line was written for. */
  readonly #told = new Map<string, number>();

  constructor(options: { terminal: boolean; verbose: boolean }) {
    this.#terminal = options.terminal;
    this.#verbose = options.verbose;
  }

  show(event: RunEvent): void {
    switch (event.type) {
      case 'run-started':
        this.#line(paint('gray', `${event.pipeline}: run ${event.run}`));
        return;
      case 'step-waiting':
        this.#line(`${paint('yellow', '…')} ${event.step} waits: ${event.reason}`);
        return;
      case 'step-started':
        if (event.reason !== '') this.#line(`${paint('cyan', '▶')} ${event.step}: ${event.reason}`);
        return;
      case 'step-progress':
        this.#progress(event);
        return;
      case 'step-output':
        if (this.#verbose || event.stream === 'stderr' || !this.#terminal) {
          for (const line of event.text.replace(/\n$/, '').split('\n'))
            this.#line(`${paint('gray', `${event.step} │`)} ${line}`);
        }
        return;
      case 'step-warning':
        this.#line(`${paint('yellow', '!')} ${event.step}: ${event.message}`);
        return;
      case 'step-finished': {
        this.#running.delete(event.step);
        const { mark, style } = MARKS[event.status] ?? { mark: '?', style: 'gray' };
        const metrics = headline(event.metrics);
        const time = event.status === 'ran' || event.status === 'failed' ? ` in ${duration(event.seconds)}` : '';
        const why = event.status === 'ran' ? '' : `: ${event.error?.message ?? event.reason}`;
        this.#line(
          `${paint(style, mark)} ${event.step} ${event.status}${time}${metrics === '' || event.status === 'failed' ? '' : `, ${metrics}`}${why}`,
        );
        if (event.error?.where)
          this.#line(`  at ${event.error.where.file}:${event.error.where.line}:${event.error.where.column}`);
        if (event.error?.todo) this.#line(`  Next: ${event.error.todo}`);
        return;
      }
      case 'run-finished':
        this.#clear();
        this.#line(
          paint(
            event.ok ? 'green' : event.cancelled ? 'yellow' : 'red',
            `${event.ok ? 'done' : event.cancelled ? 'cancelled' : 'failed'} in ${duration(event.seconds)}`,
          ),
        );
        return;
    }
  }

  #progress(event: StepProgress): void {
    this.#running.set(event.step, event);
    if (this.#terminal) {
      const now = performance.now();
      if (now - this.#last < FRAME_MILLISECONDS) return;
      this.#last = now;
      this.#clear();
      this.#draw();
      return;
    }
    // In a log, an epoch is one line, and of many epochs only some.
    const { epoch, epochs, phase } = event;
    if (/^(installing|waiting)/.test(phase) && this.#phases.get(event.step) !== phase) {
      this.#phases.set(event.step, phase);
      this.#line(`  ${event.step}: ${phase}`);
    }
    if (epoch === undefined || epochs === undefined) return;
    // Progress comes now and then, not for each epoch: what counts is how far it has got since the last line.
    const told = this.#told.get(event.step);
    if (told !== undefined && (epoch === told || (epoch !== epochs && epoch - told < epochs / 10))) return;
    this.#told.set(event.step, epoch);
    const metrics = headline(event.metrics ?? {});
    this.#line(`  ${event.step}: epoch ${epoch}/${epochs}${metrics === '' ? '' : `, ${metrics}`}`);
  }

  #line(text: string): void {
    this.#clear();
    process.stderr.write(`${text}\n`);
    if (this.#terminal) this.#draw();
  }

  #draw(): void {
    for (const { step, phase, share, epoch, epochs, metrics } of this.#running.values()) {
      const full = Math.round(Math.min(1, Math.max(0, share)) * WIDTH);
      const bar = paint('cyan', '━'.repeat(full)) + paint('gray', '━'.repeat(WIDTH - full));
      const where = epoch === undefined ? phase : `epoch ${epoch}/${epochs ?? '?'}`;
      process.stderr.write(`  ${step} ${bar} ${Math.round(share * 100)} % ${where} ${headline(metrics ?? {})}\n`);
      this.#drawn += 1;
    }
  }

  #clear(): void {
    if (this.#drawn === 0) return;
    process.stderr.write(`\u001b[${this.#drawn}A\u001b[0J`);
    this.#drawn = 0;
  }
}

/** The two metrics that say most. */
function headline(metrics: Record<string, number>): string {
  const wanted = ['accuracy', 'rootMeanSquaredError', 'meanAbsoluteError', 'r2', 'loss'].filter(
    (name) => metrics[name] !== undefined,
  );
  return wanted
    .slice(0, 2)
    .map((name) => metric(name, metrics[name] ?? 0))
    .join(', ');
}

/** A project in a temporary folder, run by the façade in this process or by another one. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as api from '../../runtime/api.ts';
import '../configuration.ts';
import type { RunEvent } from '../../runtime/events.ts';
import type { RunRecord } from '../../runtime/ledger/record.ts';
import type { RunAnswer, RunStepAnswer, StatusAnswer } from '../../runtime/rpc/protocol.ts';

export class TemporaryProject {
  readonly folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-run-')));

  constructor(files: Record<string, string>) {
    fs.mkdirSync(join(this.folder, '.git'));
    for (const [path, text] of Object.entries(files)) this.write(path, text);
  }

  path(path: string): string {
    return join(this.folder, path);
  }

  write(path: string, text: string): void {
    fs.mkdirSync(join(this.path(path), '..'), { recursive: true });
    fs.writeFileSync(this.path(path), text);
  }

  read(path: string): string {
    return fs.readFileSync(this.path(path), 'utf8');
  }

  exists(path: string): boolean {
    return fs.existsSync(this.path(path));
  }

  /** Git in its folder, as one person. @returns what it says */
  git(...words: string[]): string {
    const person = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org'];
    return execFileSync('git', [...person, ...words], { cwd: this.folder, stdio: 'pipe', encoding: 'utf8' }).trim();
  }

  /** A repository in place of the mark of one, with all that is there in its first commit. */
  beginRepository(): void {
    fs.rmSync(this.path('.git'), { recursive: true });
    this.git('init', '-q', '-b', 'main');
    this.git('add', '-A');
    this.git('commit', '-qm', 'first');
  }

  open<Result>(use: (opened: api.Project) => Promise<Result> | Result): Promise<Result> {
    return api.withProject(this.folder, use);
  }

  async run(
    options: Parameters<typeof api.run>[2] = {},
  ): Promise<{ answer: RunAnswer; events: RunEvent[]; step: (name: string) => RunStepAnswer }> {
    const events: RunEvent[] = [];
    const answer = await this.open((opened) =>
      api.run(opened, api.pipelineFile(this.folder), {
        ...options,
        onEvent: (event) => {
          events.push(event);
          options.onEvent?.(event);
        },
      }),
    );
    const step = (name: string) => {
      const found = answer.steps.find((each) => each.step === name);
      if (!found) throw new Error(`The run has no step ${name}.`);
      return found;
    };
    return { answer, events, step };
  }

  /** Takes the data as it is now. */
  async pin(): Promise<void> {
    await this.open((opened) => api.pin(opened, api.pipelineFile(this.folder), { update: true }));
  }

  status(options: Parameters<typeof api.status>[2] = {}): Promise<StatusAnswer> {
    return this.open((opened) => api.status(opened, api.pipelineFile(this.folder), options));
  }

  record(reference: string): RunRecord {
    const project = api.openProject(this.folder);
    try {
      return api.show(project, reference).record;
    } finally {
      project.close();
    }
  }

  object(digest: string): Promise<string> {
    return this.open(async ({ store }) => (await store.read(digest as `sha256:${string}`)).toString('utf8'));
  }

  /** Runs it in a process of its own; each event is a line on stdout, the answer the last. */
  runElsewhere(): { process: ChildProcess; events: RunEvent[]; answer: Promise<RunAnswer | null> } {
    const runner = fileURLToPath(new URL('run-elsewhere.ts', import.meta.url));
    const child = spawn(process.execPath, [runner, this.folder], { stdio: ['ignore', 'pipe', 'inherit'] });
    const events: RunEvent[] = [];
    let answer: RunAnswer | null = null;
    let rest = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        // Only the runner writes here.
        const said = JSON.parse(line) as { event: RunEvent } | { answer: RunAnswer };
        if ('event' in said) events.push(said.event);
        else answer = said.answer;
      }
    });
    return { process: child, events, answer: new Promise((resolve) => child.once('close', () => resolve(answer))) };
  }

  remove(): void {
    fs.rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Waits until something can be seen. The test's own time limit ends a wait that is in vain. */
export async function until<Result>(look: () => Result | undefined | false | null): Promise<Result> {
  for (;;) {
    const seen = look();
    if (seen) return seen;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return !fs.readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z');
  } catch {
    return false;
  }
}

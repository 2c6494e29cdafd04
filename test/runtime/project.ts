/** A project in a temporary folder, run by the façade in this process or by another one. */
import { type ChildProcess, spawn } from 'node:child_process';
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

  async run(
    options: Parameters<typeof api.run>[2] = {},
  ): Promise<{ answer: RunAnswer; events: RunEvent[]; step: (name: string) => RunStepAnswer }> {
    const project = api.openProject(this.folder);
    const events: RunEvent[] = [];
    try {
      const answer = await api.run(project, api.pipelineFile(this.folder), {
        ...options,
        onEvent: (event) => {
          events.push(event);
          options.onEvent?.(event);
        },
      });
      const step = (name: string) => {
        const found = answer.steps.find((each) => each.step === name);
        if (!found) throw new Error(`The run has no step ${name}.`);
        return found;
      };
      return { answer, events, step };
    } finally {
      project.close();
    }
  }

  /** Takes the data as it is now. */
  async pin(): Promise<void> {
    const project = api.openProject(this.folder);
    try {
      await api.pin(project, api.pipelineFile(this.folder), { update: true });
    } finally {
      project.close();
    }
  }

  async status(options: Parameters<typeof api.status>[2] = {}): Promise<StatusAnswer> {
    const project = api.openProject(this.folder);
    try {
      return await api.status(project, api.pipelineFile(this.folder), options);
    } finally {
      project.close();
    }
  }

  record(reference: string): RunRecord {
    const project = api.openProject(this.folder);
    try {
      return api.show(project, reference).record;
    } finally {
      project.close();
    }
  }

  async object(digest: string): Promise<string> {
    const project = api.openProject(this.folder);
    try {
      return (await project.store.read(digest as `sha256:${string}`)).toString('utf8');
    } finally {
      project.close();
    }
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

/**
 * The runtime as the editor knows it: `mlpipe rpc` in a process of its own, spoken to over its standard streams. It is
 * started when it is first needed and again when it ends, a bounded number of times; whatever happens to it, the editor
 * hears of it as a state and as a rejected request, never as a crash. Knows nothing of VS Code.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import {
  type CancellationToken,
  ConnectionError,
  type Disposable,
  Emitter,
  ErrorCodes,
  type MessageConnection,
  type RequestType,
  type RequestType0,
  ResponseError,
} from 'vscode-jsonrpc';
import { createMessageConnection, StreamMessageReader, StreamMessageWriter } from 'vscode-jsonrpc/node';
import { type Hello, HelloRequest, PROTOCOL_VERSION } from '../../runtime/rpc/protocol.ts';
import type { NodeProgram, NoNode } from './node-finder.ts';
import { RestartPolicy } from './restart-policy.ts';
import { RuntimeNews } from './runtime-news.ts';

export type RuntimeState =
  /** Not needed yet, or ended on purpose. */
  | { kind: 'stopped' }
  | { kind: 'starting' }
  | { kind: 'ready'; hello: Hello }
  /** It ended by itself and is about to be started again. */
  | { kind: 'restarting'; problem: string }
  /** It will not be started again unless a person asks. */
  | { kind: 'failed'; problem: string; todo: string };

export interface RuntimeLog {
  info(line: string): void;
  warn(line: string): void;
  error(line: string): void;
}

export interface RuntimeOptions {
  findNode: () => Promise<NodeProgram | NoNode>;
  /** `dist/cli.cjs`. */
  program: string;
  /** Where it is started; nothing for the user's own folder. */
  folder: string | undefined;
  log: RuntimeLog;
  policy?: RestartPolicy;
}

/** The runtime is not there, or went away before it answered. */
export class RuntimeUnavailable extends Error {
  readonly todo: string;

  constructor(problem: string, todo: string) {
    super(problem);
    this.name = 'RuntimeUnavailable';
    this.todo = todo;
  }
}

function endsConnection(error: unknown): boolean {
  return (
    error instanceof ConnectionError ||
    (error instanceof ResponseError && error.code === ErrorCodes.PendingResponseRejected)
  );
}

const HELLO_MILLISECONDS = 30_000;
const FAREWELL_MILLISECONDS = 3_000;

export class RuntimeProcess extends RuntimeNews implements Disposable {
  readonly #options: RuntimeOptions;
  readonly #policy: RestartPolicy;
  readonly #states = new Emitter<RuntimeState>();
  #state: RuntimeState = { kind: 'stopped' };
  #child: ChildProcess | undefined;
  #connection: MessageConnection | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** Counts starts; what belongs to an earlier one is ignored. */
  #generation = 0;
  #disposed = false;

  readonly onStateChanged = this.#states.event;

  constructor(options: RuntimeOptions) {
    super();
    this.#options = options;
    this.#policy = options.policy ?? new RestartPolicy();
  }

  get state(): RuntimeState {
    return this.#state;
  }

  /** Starts it unless it runs. Resolves when it is ready or has failed; never rejects. */
  async start(): Promise<void> {
    if (this.#state.kind === 'stopped' || this.#state.kind === 'failed') void this.#launch();
    await this.#settled();
  }

  /** Ends it and begins anew, with all attempts back. */
  async restart(): Promise<void> {
    await this.stop();
    this.#policy.forget();
    await this.start();
  }

  /**
   * Asks the runtime, and starts it first where it isn't running.
   *
   * @throws RuntimeUnavailable where it can't be started or ends before it answers
   * @throws ResponseError as the runtime answered it
   */
  request<Answer>(type: RequestType0<Answer, void>, token?: CancellationToken): Promise<Answer>;
  request<Question, Answer>(
    type: RequestType<Question, Answer, void>,
    question: Question,
    token?: CancellationToken,
  ): Promise<Answer>;
  async request(type: { method: string }, ...words: unknown[]): Promise<unknown> {
    if (this.#state.kind === 'stopped') void this.#launch();
    await this.#settled();
    const connection = this.#connection;
    if (connection === undefined || this.#state.kind !== 'ready') throw this.#unavailable();
    const generation = this.#generation;
    let gone: Disposable | undefined;
    const ended = new Promise<never>((_, reject) => {
      gone = this.#states.event((state) => {
        if (generation === this.#generation && state.kind === 'ready') return;
        reject(this.#unavailable());
      });
    });
    const answer = connection.sendRequest(type.method, ...words.filter((word) => word !== undefined));
    try {
      // Its streams close a moment before its exit is told; the exit says why.
      return await Promise.race([
        answer.catch((error) => (endsConnection(error) ? ended : Promise.reject(error))),
        ended,
      ]);
    } finally {
      gone?.dispose();
    }
  }

  /** Ends it: its input is closed, and where that is not enough it is told, then killed. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#generation += 1;
    const child = this.#child;
    this.#connection?.dispose();
    this.#connection = undefined;
    this.#child = undefined;
    this.#become({ kind: 'stopped' });
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.stdin?.end();
    const told = setTimeout(() => child.kill('SIGTERM'), FAREWELL_MILLISECONDS / 2);
    const killed = setTimeout(() => child.kill('SIGKILL'), FAREWELL_MILLISECONDS);
    await gone;
    clearTimeout(told);
    clearTimeout(killed);
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    void this.stop();
  }

  async #launch(): Promise<void> {
    const generation = ++this.#generation;
    const current = (): boolean => generation === this.#generation && !this.#disposed;
    this.#become({ kind: 'starting' });
    const node = await this.#options.findNode();
    if (!current()) return;
    if ('problem' in node) return this.#become({ kind: 'failed', ...node });

    const { log, program, folder } = this.#options;
    log.info(`Starting the runtime on Node ${node.version} (${node.path}).`);
    const child = spawn(node.path, [program, 'rpc'], {
      cwd: folder,
      env: { ...process.env, ...node.environment },
      stdio: 'pipe',
      windowsHide: true,
    });
    this.#child = child;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      for (const line of text.trimEnd().split(/\r?\n/)) log.info(line);
    });
    // Writing to a process that has just ended is told here; that it ended is told by its exit.
    child.stdin.on('error', (error) => log.warn(`The runtime takes no more requests: ${error.message}`));
    child.once('error', (error) => {
      if (current()) this.#fail(`The runtime could not be started: ${error.message}.`);
    });
    child.once('exit', (code, signal) => {
      if (current()) this.#ended(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`);
    });

    const connection = createMessageConnection(
      new StreamMessageReader(child.stdout),
      new StreamMessageWriter(child.stdin),
    );
    this.#connection = connection;
    this.hear(connection);
    connection.onError(([error]) => log.warn(`Message: ${error.message}`));
    connection.listen();

    const patience = setTimeout(() => {
      if (current() && this.#state.kind === 'starting') {
        log.error(`The runtime did not answer within ${HELLO_MILLISECONDS / 1000} s.`);
        child.kill('SIGKILL');
      }
    }, HELLO_MILLISECONDS);
    try {
      const hello = await connection.sendRequest(HelloRequest);
      if (!current()) return;
      if (hello.protocol !== PROTOCOL_VERSION) {
        this.#fail(`The runtime speaks protocol ${hello.protocol}, and this extension ${PROTOCOL_VERSION}.`);
        return;
      }
      log.info(`The runtime is ready: mlpipe ${hello.version}, Node ${hello.node}, process ${hello.pid}.`);
      this.#become({ kind: 'ready', hello });
    } catch (error) {
      // Where the process ended its exit says so; an answer that is an error has to be said here.
      if (current() && child.exitCode === null && child.signalCode === null && error instanceof Error) {
        log.error(`The runtime did not say hello: ${error.message}`);
        child.kill('SIGKILL');
      }
    } finally {
      clearTimeout(patience);
    }
  }

  #ended(how: string): void {
    const { log } = this.#options;
    const problem = `The mlpipe runtime ${how}.`;
    this.#connection?.dispose();
    this.#connection = undefined;
    this.#child = undefined;
    const delay = this.#policy.afterEnd(Date.now());
    if (delay === undefined) {
      this.#fail(problem, 'It ended several times within minutes: its output says why.');
      return;
    }
    log.warn(`${problem} It is started again in ${delay} ms.`);
    this.#become({ kind: 'restarting', problem });
    this.#timer = setTimeout(() => void this.#launch(), delay);
  }

  #fail(problem: string, todo = 'Look at its output, mend what it says, and restart it.'): void {
    this.#generation += 1;
    this.#connection?.dispose();
    this.#connection = undefined;
    this.#child?.kill('SIGKILL');
    this.#child = undefined;
    this.#options.log.error(problem);
    this.#become({ kind: 'failed', problem, todo });
  }

  #become(state: RuntimeState): void {
    this.#state = state;
    this.#states.fire(state);
  }

  /** Resolves in a state that lasts: ready, failed or stopped. */
  #settled(): Promise<void> {
    const lasts = (state: RuntimeState): boolean => state.kind !== 'starting' && state.kind !== 'restarting';
    if (lasts(this.#state)) return Promise.resolve();
    return new Promise((resolve) => {
      const listening = this.#states.event((state) => {
        if (!lasts(state)) return;
        listening.dispose();
        resolve();
      });
    });
  }

  #unavailable(): RuntimeUnavailable {
    switch (this.#state.kind) {
      case 'failed':
        return new RuntimeUnavailable(this.#state.problem, this.#state.todo);
      case 'restarting':
        return new RuntimeUnavailable(this.#state.problem, 'It is being started again: repeat what you did.');
      default:
        return new RuntimeUnavailable('The mlpipe runtime was stopped.', 'Repeat what you did to start it again.');
    }
  }
}

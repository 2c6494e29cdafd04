/** The language server's client: started with the workspace, restarted on demand and when the workspace is trusted. */
import * as vscode from 'vscode';
import {
  CloseAction,
  type CloseHandlerResult,
  CodeLensRequest,
  ErrorAction,
  LanguageClient,
  type LanguageClientOptions,
  RevealOutputChannelOn,
  type ServerOptions,
  State,
  TransportKind,
} from 'vscode-languageclient/node';
import { COMMANDS, commandLink } from './commands.ts';
import type { Logs } from './logging.ts';
import type { NodeProgram, NoNode } from './node-finder.ts';
import { RestartPolicy } from './restart-policy.ts';
import { SERVER_FLAGS } from './server-flags.ts';

export const LANGUAGE = 'mlpipe';
/** The scheme under which the server serves the library of built-ins. */
export const BUILTIN_SCHEME = 'builtin';

export type LanguageServerState =
  | { kind: 'starting' | 'ready' | 'stopped' }
  | { kind: 'failed'; problem: string; todo: string };

/** Changes the lenses of a document before they are shown: a step that runs says so in place of ▶. */
export type LensDecorator = (document: vscode.TextDocument, lenses: vscode.CodeLens[]) => vscode.CodeLens[];

export interface LanguageClientDependencies {
  findNode: () => Promise<NodeProgram | NoNode>;
  /** `dist/server.cjs`. */
  program: string;
  logs: Logs;
}

export class LanguageServer implements vscode.Disposable {
  readonly #dependencies: LanguageClientDependencies;
  readonly #states = new vscode.EventEmitter<LanguageServerState>();
  readonly #decorators = new Set<LensDecorator>();
  #state: LanguageServerState = { kind: 'stopped' };
  #client: LanguageClient | undefined;
  /** Starts and stops come one after the other, however quickly they are asked for. */
  #queue: Promise<void> = Promise.resolve();

  readonly onStateChanged = this.#states.event;

  constructor(dependencies: LanguageClientDependencies) {
    this.#dependencies = dependencies;
  }

  get state(): LanguageServerState {
    return this.#state;
  }

  start(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  restart(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#stop();
      await this.#start();
    });
  }

  stop(): Promise<void> {
    return this.#inTurn(() => this.#stop());
  }

  decorateLenses(decorator: LensDecorator): vscode.Disposable {
    this.#decorators.add(decorator);
    return new vscode.Disposable(() => this.#decorators.delete(decorator));
  }

  /** Asks the editor to fetch the lenses of the open pipelines again. */
  refreshLenses(): void {
    const feature = this.#client?.getFeature(CodeLensRequest.method);
    for (const document of vscode.workspace.textDocuments) {
      if (document.languageId === LANGUAGE) feature?.getProvider(document)?.onDidChangeCodeLensEmitter.fire();
    }
  }

  dispose(): void {
    void this.stop().finally(() => this.#states.dispose());
  }

  #inTurn(act: () => Promise<void>): Promise<void> {
    this.#queue = this.#queue.then(act, act);
    return this.#queue;
  }

  async #start(): Promise<void> {
    if (this.#client !== undefined) return;
    const { findNode, program, logs } = this.#dependencies;
    this.#become({ kind: 'starting' });
    const node = await findNode();
    if ('problem' in node) {
      logs.language.error(`${node.problem} ${node.todo}`);
      this.#become({ kind: 'failed', ...node });
      return;
    }
    const server: ServerOptions = {
      module: program,
      runtime: node.path,
      transport: TransportKind.stdio,
      options: { env: { ...process.env, ...node.environment }, execArgv: [...SERVER_FLAGS] },
    };
    const client = new LanguageClient('mlpipe', 'mlpipe', server, this.#options());
    client.onDidChangeState(({ newState }) => {
      if (client !== this.#client) return;
      if (newState === State.Running) this.#become({ kind: 'ready' });
      else if (newState === State.Starting) this.#become({ kind: 'starting' });
    });
    this.#client = client;
    try {
      await client.start();
    } catch (error) {
      logs.language.error(error instanceof Error ? error : String(error));
      this.#failed(error instanceof Error ? error.message : String(error));
    }
  }

  async #stop(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#become({ kind: 'stopped' });
    if (client === undefined) return;
    try {
      await client.dispose(3000);
    } catch (error) {
      // A server that has crashed cannot be stopped politely; it is gone, which is what was wanted.
      this.#dependencies.logs.language.debug(`While stopping: ${error}`);
    }
  }

  #options(): LanguageClientOptions {
    const policy = new RestartPolicy();
    return {
      documentSelector: ['file', 'untitled', 'vscode-vfs', BUILTIN_SCHEME].map((scheme) => ({
        scheme,
        language: LANGUAGE,
      })),
      initializationOptions: { trusted: vscode.workspace.isTrusted },
      outputChannel: this.#dependencies.logs.language,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      diagnosticCollectionName: 'mlpipe',
      initializationFailedHandler: (error) => {
        this.#failed(error instanceof Error ? error.message : String(error));
        return false;
      },
      errorHandler: {
        // A message that cannot be read costs that message; the process's end is told by `closed`.
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: (): CloseHandlerResult => {
          if (policy.afterEnd(Date.now()) !== undefined) return { action: CloseAction.Restart, handled: true };
          this.#failed('it ended several times within minutes');
          return { action: CloseAction.DoNotRestart, handled: true };
        },
      },
      middleware: {
        handleDiagnostics: (uri, diagnostics, next) => {
          // The server links to a file. Here its page is shown as it is meant to be read.
          for (const diagnostic of diagnostics) {
            if (typeof diagnostic.code !== 'object') continue;
            const { value } = diagnostic.code;
            diagnostic.code = { value, target: commandLink(COMMANDS.explain, value) };
          }
          next(uri, diagnostics);
        },
        provideCodeLenses: async (document, token, next) => {
          let lenses = (await next(document, token)) ?? [];
          for (const decorate of this.#decorators) lenses = decorate(document, lenses);
          return lenses;
        },
      },
    };
  }

  #failed(why: string): void {
    this.#become({
      kind: 'failed',
      problem: `The mlpipe language server is not running: ${why}.`,
      todo: 'Look at its output, and restart it.',
    });
  }

  #become(state: LanguageServerState): void {
    this.#state = state;
    this.#states.fire(state);
  }
}

/** An editor without a window: the server as a process over stdio, and what an editor would know of it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node';
import type {
  ClientCapabilities,
  InitializeResult,
  PublishDiagnosticsParams,
  TextDocumentContentChangeEvent,
} from 'vscode-languageserver-protocol';

export const SERVER = fileURLToPath(new URL('../../language-server/main.ts', import.meta.url));

export interface ClientOptions {
  /** File to run; the source unless said otherwise. */
  server?: string;
  /** Folders of the workspace, as URIs. */
  folders?: string[];
  capabilities?: ClientCapabilities;
  initializationOptions?: unknown;
  env?: NodeJS.ProcessEnv;
  /** For Node, before the file. */
  flags?: readonly string[];
}

const capabilities: ClientCapabilities = {
  workspace: {
    configuration: true,
    workspaceFolders: true,
    didChangeWatchedFiles: { dynamicRegistration: true },
    codeLens: { refreshSupport: true },
    inlayHint: { refreshSupport: true },
  },
  textDocument: {
    publishDiagnostics: { versionSupport: true, relatedInformation: true, codeDescriptionSupport: true },
    completion: { completionItem: { snippetSupport: true, insertReplaceSupport: true } },
    documentSymbol: { hierarchicalDocumentSymbolSupport: true },
    codeAction: { codeActionLiteralSupport: { codeActionKind: { valueSet: ['quickfix', 'source.fixAll'] } } },
  },
};

export class Client {
  readonly process: ChildProcess;
  readonly connection: MessageConnection;
  /** The last diagnostics of each document. */
  readonly published = new Map<string, PublishDiagnosticsParams>();
  /** Every publication, in order. */
  readonly publications: PublishDiagnosticsParams[] = [];
  readonly log: string[] = [];
  readonly refreshes: string[] = [];
  stderr = '';
  initialized: InitializeResult | undefined;
  private readonly watchers = new Set<() => void>();
  private readonly versions = new Map<string, number>();

  constructor(options: ClientOptions = {}) {
    this.process = spawn(process.execPath, [...(options.flags ?? []), options.server ?? SERVER, '--stdio'], {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
    });
    const { stdin, stdout, stderr } = this.process;
    if (stdin === null || stdout === null || stderr === null) throw new Error('The server has no pipes.');
    stderr.on('data', (chunk) => {
      this.stderr += chunk;
    });
    // A server that has ended closes its pipe; what is still written to it is of no interest.
    stdin.on('error', () => {});
    this.connection = createMessageConnection(new StreamMessageReader(stdout), new StreamMessageWriter(stdin));
    this.connection.onNotification('textDocument/publishDiagnostics', (params: PublishDiagnosticsParams) => {
      this.published.set(params.uri, params);
      this.publications.push(params);
      this.look();
    });
    this.connection.onNotification('window/logMessage', ({ message }: { message: string }) => {
      this.log.push(message);
      this.look();
    });
    this.connection.onRequest('client/registerCapability', () => null);
    this.connection.onRequest('workspace/configuration', ({ items }: { items: unknown[] }) => items.map(() => null));
    for (const what of ['workspace/codeLens/refresh', 'workspace/inlayHint/refresh']) {
      this.connection.onRequest(what, () => {
        this.refreshes.push(what);
        this.look();
        return null;
      });
    }
    this.process.on('exit', () => this.look());
    this.connection.listen();
  }

  /** Starts a server and shakes hands. */
  static async start(options: ClientOptions = {}): Promise<Client> {
    const client = new Client(options);
    const ended = once(client.process, 'exit').then(() => {
      throw new Error(`The server ended before it had started.\n${client.stderr}`);
    });
    const answer = client.connection.sendRequest<InitializeResult>('initialize', {
      processId: process.pid,
      rootUri: null,
      capabilities: options.capabilities ?? capabilities,
      workspaceFolders: options.folders?.map((uri) => ({ uri, name: uri })) ?? null,
      initializationOptions: options.initializationOptions,
    });
    client.initialized = await Promise.race([answer, ended]);
    // Later it may end as it likes.
    ended.catch(() => undefined);
    await client.connection.sendNotification('initialized', {});
    return client;
  }

  async open(uri: string, text: string): Promise<void> {
    this.versions.set(uri, 1);
    await this.notify('textDocument/didOpen', { textDocument: { uri, languageId: 'mlpipe', version: 1, text } });
  }

  /** @returns the new version */
  async change(uri: string, ...contentChanges: TextDocumentContentChangeEvent[]): Promise<number> {
    const version = (this.versions.get(uri) ?? 0) + 1;
    this.versions.set(uri, version);
    await this.notify('textDocument/didChange', { textDocument: { uri, version }, contentChanges });
    return version;
  }

  async close(uri: string): Promise<void> {
    await this.notify('textDocument/didClose', { textDocument: { uri } });
  }

  notify(method: string, params?: unknown): Promise<void> {
    return this.connection.sendNotification(method, params);
  }

  request<T>(method: string, params?: unknown): Promise<T> {
    return this.connection.sendRequest<T>(method, params);
  }

  /** The first publication for a document, now or later, that is as wanted. */
  async diagnostics(
    uri: string,
    wanted: (params: PublishDiagnosticsParams) => boolean = () => true,
  ): Promise<PublishDiagnosticsParams> {
    await this.until(`diagnostics of ${uri}`, () => {
      const last = this.published.get(uri);
      return last !== undefined && wanted(last);
    });
    const found = this.published.get(uri);
    if (found === undefined) throw new Error('It was there a moment ago.');
    return found;
  }

  /** Resolves when it is so; looks whenever the server has said something. */
  until(what: string, isSo: () => boolean, milliseconds = 15_000): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.watchers.delete(look);
        const said = [...this.published.values()]
          .map((each) => `${each.uri} v${each.version}: ${each.diagnostics.map(({ code }) => code).join(' ')}`)
          .join('\n');
        reject(new Error(`Waited in vain for ${what}.\n${said}\n${this.log.join('\n')}\n${this.stderr}`));
      }, milliseconds);
      const look = () => {
        if (!isSo()) return;
        clearTimeout(timer);
        this.watchers.delete(look);
        resolve();
      };
      this.watchers.add(look);
    });
  }

  get exited(): boolean {
    return this.process.exitCode !== null || this.process.signalCode !== null;
  }

  /** Ends by the protocol. @returns the exit code */
  async stop(): Promise<number | null> {
    if (!this.exited) {
      await this.request('shutdown');
      await this.notify('exit');
      if (!this.exited) await once(this.process, 'exit');
    }
    this.connection.dispose();
    return this.process.exitCode;
  }

  /** For the end of a test that may have failed. */
  kill(): void {
    this.connection.dispose();
    if (!this.exited) this.process.kill('SIGKILL');
  }

  private look(): void {
    for (const watcher of [...this.watchers]) watcher();
  }
}

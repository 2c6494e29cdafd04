/** One panel with the lineage of one record: asks the runtime, tells the page, and does what a person wants opened. */
import { randomBytes } from 'node:crypto';
import { basename, join } from 'node:path';
import * as vscode from 'vscode';
import { DiffRequest, type LineageAnswer, LineageRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import { spokenError, tellTrouble } from '../../infrastructure/trouble.ts';
import { openCommit } from './commits.ts';
import { type Graph, graphOf } from './graph.ts';
import { pageHtml } from './html.ts';
import { type FromPage, messageFromPage, type Subject, type ToPage } from './messages.ts';
import { isEmpty, patchBetween } from './patch.ts';

export interface PanelDependencies {
  runtime: RuntimeProcess;
  logs: Logs;
  /** The folder with the page's script and style. */
  pages: vscode.Uri;
  /** Asks for the record of another model of the folder. */
  chooseModel: (folder: string, except: string) => Promise<string | undefined>;
}

export class LineagePanel implements vscode.Disposable {
  readonly #panel: vscode.WebviewPanel;
  readonly #dependencies: PanelDependencies;
  readonly #listening: vscode.Disposable[];
  #subject: Subject;
  #answers: LineageAnswer[] = [];
  #graph: Graph | undefined;
  #revision = 0;
  #trouble: string | null = null;
  #asked = 0;

  constructor(panel: vscode.WebviewPanel, subject: Subject, dependencies: PanelDependencies) {
    this.#panel = panel;
    this.#subject = subject;
    this.#dependencies = dependencies;
    const { runtime, pages } = dependencies;
    const { webview } = panel;
    webview.options = { enableScripts: true, localResourceRoots: [pages] };
    this.#listening = [
      webview.onDidReceiveMessage((message) => {
        const known = messageFromPage(message);
        if (known !== undefined) void this.#receive(known);
      }),
      runtime.onRecordsChanged(() => void this.refresh()),
      runtime.onStateChanged(({ kind }) => {
        if (kind === 'ready' && this.#trouble !== null) void this.refresh();
      }),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.refresh()),
    ];
    panel.onDidDispose(() => {
      for (const listener of this.#listening) listener.dispose();
    });
    const at = (name: string): string => webview.asWebviewUri(vscode.Uri.joinPath(pages, name)).toString();
    webview.html = pageHtml({
      source: webview.cspSource,
      script: at('lineage-page.js'),
      style: at('lineage-page.css'),
      nonce: randomBytes(18).toString('base64'),
    });
    void this.refresh();
  }

  get subject(): Subject {
    return this.#subject;
  }

  reveal(): void {
    this.#panel.reveal();
  }

  dispose(): void {
    this.#panel.dispose();
  }

  /** Asks anew. What is shown stays until there is something better, and says what is wrong where there is not. */
  async refresh(): Promise<void> {
    const asked = ++this.#asked;
    try {
      if (!vscode.workspace.isTrusted) {
        const problem = 'Reading records is off in Restricted Mode. Trust the workspace to see the lineage.';
        return this.#tellTrouble(vscode.l10n.t(problem));
      }
      const subject = this.#subject;
      const { answers, graph } = await this.#ask(subject);
      // A later question may have been answered first, and another comparison chosen meanwhile.
      if (asked !== this.#asked) return;
      this.#answers = answers;
      this.#show(graph);
      this.#tellTrouble(null);
    } catch (error) {
      if (asked !== this.#asked) return;
      const { problem, todo } = spokenError(error);
      this.#dependencies.logs.runtime.warn(`The lineage could not be read: ${problem}`);
      this.#tellTrouble([problem, todo].filter(Boolean).join(' '));
    }
  }

  async #ask({ folder, reference, other }: Subject): Promise<{ answers: LineageAnswer[]; graph: Graph }> {
    const { runtime } = this.#dependencies;
    const lineage = (of: string) => runtime.request(LineageRequest, { folder, reference: of, direction: 'both' });
    const first = await lineage(reference);
    if (other === undefined) return { answers: [first], graph: graphOf(first) };
    const [second, diff] = await Promise.all([
      lineage(other),
      runtime.request(DiffRequest, { folder, one: reference, other }),
    ]);
    return { answers: [first, second], graph: graphOf(first, { other: second, diff }) };
  }

  #show(graph: Graph): void {
    this.#panel.title = vscode.l10n.t('Lineage: {0}', graph.title.replace(/ \(.*$/, ''));
    const before = this.#graph;
    this.#graph = graph;
    if (before === undefined) {
      this.#sendWhole();
      return;
    }
    const patch = patchBetween(before, graph);
    if (isEmpty(patch, before)) return;
    this.#revision += 1;
    this.#send({ type: 'patch', revision: this.#revision, patch });
  }

  #sendWhole(): void {
    if (this.#graph === undefined) return;
    this.#send({ type: 'graph', revision: this.#revision, subject: this.#subject, graph: this.#graph });
  }

  #tellTrouble(problem: string | null): void {
    this.#trouble = problem;
    this.#send({ type: 'trouble', problem });
  }

  #send(message: ToPage): void {
    // A page that is hidden is not there; when it comes back it asks for the whole.
    void this.#panel.webview.postMessage(message);
  }

  async #receive(message: FromPage): Promise<void> {
    try {
      await this.#act(message);
    } catch (error) {
      void tellTrouble(error, this.#dependencies.logs);
    }
  }

  async #act(message: FromPage): Promise<void> {
    const { folder, reference } = this.#subject;
    switch (message.type) {
      case 'ready':
        this.#sendWhole();
        return this.#tellTrouble(this.#trouble);
      case 'refresh':
        return this.refresh();
      case 'open':
        return this.#open(message.id);
      case 'copy': {
        const node = this.#node(message.id);
        if (node === undefined) return;
        await vscode.env.clipboard.writeText(node.commit?.id ?? node.id);
        vscode.window.setStatusBarMessage(vscode.l10n.t('Copied {0}', node.commit?.id ?? node.id), 4000);
        return;
      }
      case 'look':
        if (this.#node(message.id) === undefined) return;
        await vscode.commands.executeCommand(COMMANDS.showLineage, { folder, record: message.id });
        return;
      case 'compare': {
        const known = message.id === undefined ? undefined : this.#node(message.id)?.id;
        const other = known ?? (await this.#dependencies.chooseModel(folder, reference));
        if (other !== undefined) await this.compareWith(other);
        return;
      }
      case 'endComparison':
        return this.compareWith(undefined);
      case 'export':
        return this.#export(message.format === 'svg' ? 'svg' : 'mmd', message.text);
    }
  }

  async compareWith(other: string | undefined): Promise<void> {
    const before = this.#subject;
    const { folder, reference } = before;
    this.#subject = { folder, reference, ...(other === undefined ? {} : { other }) };
    await this.refresh();
    // What is shown stays what it was, and with it what it is about.
    if (this.#trouble !== null) this.#subject = before;
    // So that the page keeps it over a reload.
    this.#sendWhole();
  }

  /** The page names a node; what is opened is what the runtime said of it. */
  #node(id: string): LineageAnswer['nodes'][number] | undefined {
    return this.#answers.flatMap(({ nodes }) => nodes).find((node) => node.id === id);
  }

  async #open(id: string): Promise<void> {
    const { folder } = this.#subject;
    const node = this.#node(id);
    if (node === undefined) return;
    if (node.record !== undefined) {
      const wanted = { folder, record: node.id, label: node.record.step };
      await vscode.commands.executeCommand(COMMANDS.showRecord, wanted);
    } else if (node.commit !== undefined) {
      await openCommit(folder, node.commit.id);
    } else if (node.path !== undefined) {
      await vscode.commands.executeCommand(COMMANDS.openData, { file: join(folder, node.path) });
    }
  }

  async #export(ending: string, text: string): Promise<void> {
    const { folder } = this.#subject;
    const title = (this.#graph?.title ?? '').replaceAll(/[^\p{L}\p{N}.-]+/gu, '-').replaceAll(/^-+|-+$/g, '');
    const uri = await vscode.window.showSaveDialog({
      title: vscode.l10n.t('Export Lineage'),
      defaultUri: vscode.Uri.file(join(folder, `lineage-${title}.${ending}`)),
      filters: ending === 'svg' ? { SVG: ['svg'] } : { Mermaid: ['mmd', 'mermaid'] },
    });
    if (uri === undefined) return;
    await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(text));
    vscode.window.setStatusBarMessage(vscode.l10n.t('Saved {0}', basename(uri.path)), 6000);
  }
}

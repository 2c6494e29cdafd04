/** The Models view: every trained model with what stands behind it. */
import * as vscode from 'vscode';
import { ModelsRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, EDITOR_COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import type { RunningRuns } from '../../infrastructure/running.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import { spokenError } from '../../infrastructure/trouble.ts';
import type { Verifications } from '../../infrastructure/verifications.ts';
import { type ModelsOfFolder, treeOf } from './nodes.ts';
import type { TreeNode } from './tree-node.ts';

export interface ModelsDependencies {
  runtime: RuntimeProcess;
  runs: RunningRuns;
  verifications: Verifications;
  logs: Logs;
}

/** For tests and other extensions: the tree as data. */
export interface ModelsFeature extends vscode.Disposable {
  /** What the view shows now. */
  tree(): TreeNode[];
  refresh(): Promise<void>;
}

/** Ages are said in minutes. */
const AGE_MILLISECONDS = 60_000;
const RUN_REFRESH_MILLISECONDS = 250;
const RECORDS_REFRESH_MILLISECONDS = 150;

export function activateModelsFeature(dependencies: ModelsDependencies): ModelsFeature {
  const { runs, logs } = dependencies;
  const models = new Models(dependencies);
  const view = vscode.window.createTreeView('mlpipe.models', { treeDataProvider: models, showCollapseAll: true });
  const follow = models.onDidChangeTreeData(() => {
    const running = runs.all.length;
    view.badge = running === 0 ? undefined : { value: running, tooltip: vscode.l10n.t('{0} running', running) };
    view.message = models.trouble;
  });

  const showModel = async (place: unknown, record: unknown): Promise<void> => {
    if (typeof record !== 'string') return;
    await models.refresh();
    const node = models.find(record);
    if (node === undefined) {
      await vscode.commands.executeCommand(COMMANDS.showRecord, place, record);
      return;
    }
    await view.reveal(node, { select: true, focus: true, expand: true });
  };

  const ages = setInterval(() => {
    if (view.visible) models.redraw();
  }, AGE_MILLISECONDS);

  const disposables = vscode.Disposable.from(
    models,
    view,
    follow,
    new vscode.Disposable(() => clearInterval(ages)),
    registerCommand(COMMANDS.refreshModels, logs, () => models.refresh()),
    registerCommand(COMMANDS.showModel, logs, showModel),
    registerCommand(COMMANDS.copyDigest, logs, async (node) => {
      const digest = partOf(node, 'digest') ?? partOf(node, 'record');
      if (digest === undefined) return;
      await vscode.env.clipboard.writeText(digest);
      vscode.window.setStatusBarMessage(vscode.l10n.t('Copied {0}', digest), 4000);
    }),
    registerCommand(COMMANDS.openPipeline, logs, async (node) => {
      const file = partOf(node, 'pipelineFile');
      if (file !== undefined) await vscode.window.showTextDocument(vscode.Uri.file(file));
    }),
    registerCommand(COMMANDS.openData, logs, async (node) => {
      const file = partOf(node, 'file');
      if (file === undefined) return;
      const uri = vscode.Uri.file(file);
      const { type } = await vscode.workspace.fs.stat(uri);
      const command = type === vscode.FileType.Directory ? 'revealInExplorer' : 'vscode.open';
      await vscode.commands.executeCommand(command, uri);
    }),
  );
  void models.refresh();
  return { tree: () => models.tree, refresh: () => models.refresh(), dispose: () => disposables.dispose() };
}

function partOf(node: unknown, name: 'digest' | 'record' | 'pipelineFile' | 'file'): string | undefined {
  if (typeof node !== 'object' || node === null || !(name in node)) return undefined;
  const value: unknown = Reflect.get(node, name);
  return typeof value === 'string' ? value : undefined;
}

class Models implements vscode.TreeDataProvider<TreeNode>, vscode.Disposable {
  readonly #runtime: RuntimeProcess;
  readonly #runs: RunningRuns;
  readonly #verifications: Verifications;
  readonly #logs: Logs;
  readonly #changes = new vscode.EventEmitter<undefined>();
  readonly #listening: vscode.Disposable[];
  #answers: ModelsOfFolder[] = [];
  #parents = new Map<string, TreeNode>();
  #asked = 0;
  #timer: NodeJS.Timeout | undefined;
  #refreshDue = false;

  readonly onDidChangeTreeData = this.#changes.event;
  /** What is wrong with what is shown; a view that cannot be refreshed keeps what it showed and says so. */
  trouble: string | undefined;
  tree: TreeNode[] = [];

  constructor({ runtime, runs, verifications, logs }: ModelsDependencies) {
    this.#runtime = runtime;
    this.#runs = runs;
    this.#verifications = verifications;
    this.#logs = logs;
    this.#listening = [
      runtime.onRecordsChanged(() => this.#soon(RECORDS_REFRESH_MILLISECONDS, 'refresh')),
      runtime.onStateChanged(({ kind }) => {
        void setContext('mlpipe.runtime', kind);
        if (kind === 'ready') void this.refresh();
      }),
      runs.onChanged((running) => {
        const ended = !runs.all.includes(running);
        // What has ended leaves at once, even where the runtime cannot be asked for what came of it.
        if (ended) this.redraw();
        this.#soon(RUN_REFRESH_MILLISECONDS, ended ? 'refresh' : 'redraw');
      }),
      verifications.onChanged(() => this.redraw()),
      vscode.workspace.onDidChangeWorkspaceFolders(() => void this.refresh()),
      vscode.workspace.onDidGrantWorkspaceTrust(() => void this.refresh()),
    ];
    const watcher = vscode.workspace.createFileSystemWatcher('**/*.mlpipe', false, true, false);
    watcher.onDidCreate(() => void this.#lookForPipelines());
    watcher.onDidDelete(() => void this.#lookForPipelines());
    this.#listening.push(watcher);
    void setContext('mlpipe.runtime', runtime.state.kind);
    void this.#lookForPipelines();
  }

  /** Asks the runtime for the models of every folder. Where it is not there the tree stays as it was. */
  async refresh(): Promise<void> {
    const folders = (vscode.workspace.workspaceFolders ?? []).filter(({ uri }) => uri.scheme === 'file');
    if (!vscode.workspace.isTrusted || folders.length === 0) return;
    const asked = ++this.#asked;
    try {
      const answers = await Promise.all(
        folders.map(async ({ uri }) => ({
          folder: uri.fsPath,
          models: await this.#runtime.request(ModelsRequest, { folder: uri.fsPath }),
        })),
      );
      // A later question may have been answered first.
      if (asked !== this.#asked) return;
      this.#answers = answers;
      this.trouble = undefined;
    } catch (error) {
      if (asked !== this.#asked) return;
      const { problem, todo } = spokenError(error);
      this.#logs.runtime.warn(`The models could not be read: ${problem}`);
      this.trouble = this.#answers.length === 0 ? undefined : [problem, todo].filter(Boolean).join(' ');
    }
    this.redraw();
  }

  redraw(): void {
    this.tree = treeOf(this.#answers, this.#runs.all, Date.now(), this.#verifications.all);
    this.#parents = new Map();
    const remember = (parent: TreeNode): void => {
      for (const child of parent.children) {
        this.#parents.set(child.id, parent);
        remember(child);
      }
    };
    this.tree.forEach(remember);
    this.#changes.fire(undefined);
  }

  find(record: string): TreeNode | undefined {
    return this.tree.flatMap(({ children }) => children).find((node) => node.record === record);
  }

  getChildren(node?: TreeNode): TreeNode[] {
    return node === undefined ? this.tree : node.children;
  }

  getParent(node: TreeNode): TreeNode | undefined {
    return this.#parents.get(node.id);
  }

  getTreeItem(node: TreeNode): vscode.TreeItem {
    const { None, Expanded, Collapsed } = vscode.TreeItemCollapsibleState;
    const item = new vscode.TreeItem(
      node.label,
      node.children.length === 0 ? None : node.expanded ? Expanded : Collapsed,
    );
    item.id = node.id;
    item.description = node.description;
    item.tooltip = new vscode.MarkdownString(node.tooltip);
    item.iconPath = new vscode.ThemeIcon(
      node.icon,
      node.color === undefined ? undefined : new vscode.ThemeColor(node.color),
    );
    item.contextValue = contextOf(node);
    item.accessibilityInformation = { label: `${node.kind} ${node.label}, ${node.description}` };
    if (node.kind === 'data' && node.file !== undefined) {
      item.command = { command: COMMANDS.openData, title: vscode.l10n.t('Open Data'), arguments: [node] };
    }
    return item;
  }

  dispose(): void {
    clearTimeout(this.#timer);
    for (const listener of this.#listening) listener.dispose();
    this.#changes.dispose();
  }

  /** Many events within a moment cost one answer; a refresh among them is never lost to a mere redraw. */
  #soon(milliseconds: number, what: 'refresh' | 'redraw'): void {
    this.#refreshDue ||= what === 'refresh';
    // Events that keep coming must not put the answer off: the first of them sets the time.
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      const refresh = this.#refreshDue;
      this.#refreshDue = false;
      if (refresh) void this.refresh();
      else this.redraw();
    }, milliseconds);
  }

  async #lookForPipelines(): Promise<void> {
    const found = await vscode.workspace.findFiles('**/*.mlpipe', '**/{node_modules,.mlpipe}/**', 1);
    await setContext('mlpipe.hasPipeline', found.length > 0);
  }
}

function setContext(name: string, value: unknown): Thenable<unknown> {
  return vscode.commands.executeCommand(EDITOR_COMMANDS.setContext, name, value);
}

/** What the manifest's `when` clauses ask for: the kind, and what can be done with this very node. */
function contextOf(node: TreeNode): string {
  const able = [
    ...(node.digest === undefined ? [] : ['digest']),
    ...(node.file === undefined ? [] : ['file']),
    ...(node.repairable ? ['repairable'] : []),
  ];
  return [node.kind, ...able].join('.');
}

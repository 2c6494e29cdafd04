/**
 * Where the extension is put together: the processes it speaks to, then each feature with just what it needs. Nothing
 * native and nothing that blocks lives in this process.
 */
import { join } from 'node:path';
import * as vscode from 'vscode';
import { activateDecayFeature } from './features/decay/index.ts';
import { activateExplainFeature } from './features/explain/index.ts';
import { activateLineageFeature } from './features/lineage/index.ts';
import { activateModelsFeature } from './features/models/index.ts';
import type { TreeNode } from './features/models/tree-node.ts';
import { activateRecordsFeature } from './features/records/index.ts';
import { activateReproduceFeature } from './features/reproduce/index.ts';
import { activateRunFeature } from './features/run/index.ts';
import { activateStatusFeature } from './features/status/index.ts';
import { activateTasksFeature } from './features/tasks/index.ts';
import { activateVerifyFeature } from './features/verify/index.ts';
import { activateWalkthroughFeature } from './features/walkthrough/index.ts';
import { activateWhyFeature } from './features/why/index.ts';
import { LanguageServer, type LanguageServerState } from './infrastructure/language-client.ts';
import { createLogs } from './infrastructure/logging.ts';
import { findNode, type NodeProgram, type NoNode } from './infrastructure/node-finder.ts';
import { type Running, RunningRuns } from './infrastructure/running.ts';
import { RuntimeProcess, type RuntimeState } from './infrastructure/runtime-process.ts';
import { Verifications } from './infrastructure/verifications.ts';

/** What `activate` returns: enough for a test, or another extension, to see what a person sees. */
export interface MlpipeApi {
  models: { tree(): TreeNode[]; refresh(): Promise<void> };
  runtime: { readonly state: RuntimeState };
  language: { readonly state: LanguageServerState };
  runs: { readonly all: Running[] };
}

export function activate(context: vscode.ExtensionContext): MlpipeApi {
  const logs = createLogs();
  const folder = vscode.workspace.workspaceFolders?.find(({ uri }) => uri.scheme === 'file')?.uri.fsPath;
  const floor: string = context.extension.packageJSON.engines.node;
  const node = (): Promise<NodeProgram | NoNode> =>
    findNode({
      floor,
      setting: vscode.workspace.getConfiguration('mlpipe').get('nodePath', ''),
      folders: (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath),
      trusted: vscode.workspace.isTrusted,
    });
  const program = (name: string): string => join(context.extensionPath, 'dist', name);

  const runtime = new RuntimeProcess({ findNode: node, program: program('cli.cjs'), folder, log: logs.runtime });
  const language = new LanguageServer({ findNode: node, program: program('server.cjs'), logs });
  const runs = new RunningRuns();
  const verifications = new Verifications();
  const models = activateModelsFeature({ runtime, runs, verifications, logs });

  context.subscriptions.push(
    logs,
    runtime,
    language,
    models,
    runtime.onRunEvent(({ file, event }) => runs.receive(file, event)),
    runtime.onTransfer(({ for: file, progress }) => runs.fetching(file, progress)),
    runtime.onTold(({ for: file, message }) => runs.tell(file, message)),
    activateRunFeature({ runtime, language, runs, logs }),
    activateRecordsFeature({ runtime, logs }),
    activateExplainFeature({ pages: join(context.extensionPath, 'docs', 'diagnostics'), logs }),
    activateReproduceFeature({ runtime, logs }),
    activateDecayFeature({ runtime, logs }),
    activateWhyFeature({ runtime, logs }),
    activateVerifyFeature({ runtime, verifications, logs }),
    activateLineageFeature({ runtime, logs, pages: vscode.Uri.joinPath(context.extensionUri, 'dist', 'pages') }),
    activateStatusFeature({ runtime, language, runs, logs }),
    activateTasksFeature({ findNode: node, program: program('cli.cjs') }),
    activateWalkthroughFeature({ extensionId: context.extension.id, logs }),
    // Both take the workspace's trust, and which Node they may run on, when they start.
    vscode.workspace.onDidGrantWorkspaceTrust(() => void language.restart()),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (!change.affectsConfiguration('mlpipe.nodePath')) return;
      void language.restart();
      if (vscode.workspace.isTrusted) void runtime.restart();
    }),
  );
  void language.start();
  return { models, runtime, language, runs };
}

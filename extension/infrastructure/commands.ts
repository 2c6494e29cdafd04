/** Every command by its name, defined once; the manifest's list is compared with it by a test. */
import * as vscode from 'vscode';
import type { Logs } from './logging.ts';
import { tellTrouble } from './trouble.ts';

export const COMMANDS = {
  run: 'mlpipe.run',
  runAgain: 'mlpipe.runAgain',
  cancelRun: 'mlpipe.cancelRun',
  newPipeline: 'mlpipe.newPipeline',
  showModel: 'mlpipe.showModel',
  showRecord: 'mlpipe.showRecord',
  refreshModels: 'mlpipe.refreshModels',
  copyDigest: 'mlpipe.copyDigest',
  openPipeline: 'mlpipe.openPipeline',
  openData: 'mlpipe.openData',
  restartLanguageServer: 'mlpipe.restartLanguageServer',
  restartRuntime: 'mlpipe.restartRuntime',
  showOutput: 'mlpipe.showOutput',
  openWalkthrough: 'mlpipe.openWalkthrough',
  explain: 'mlpipe.explain',
  reproduce: 'mlpipe.reproduce',
  verify: 'mlpipe.verify',
  repair: 'mlpipe.repair',
  checkDecay: 'mlpipe.checkDecay',
  why: 'mlpipe.why',
  showLineage: 'mlpipe.showLineage',
} as const;

export type CommandName = (typeof COMMANDS)[keyof typeof COMMANDS];

/** Commands of the editor that are used here. */
export const EDITOR_COMMANDS = {
  manageTrust: 'workbench.trust.manage',
  setContext: 'setContext',
  openWalkthrough: 'workbench.action.openWalkthrough',
  diff: 'vscode.diff',
  changes: 'vscode.changes',
  /** Of the editor's git extension. */
  viewCommit: 'git.viewCommit',
  previewMarkdown: 'markdown.showPreview',
} as const;

/** A link that carries a command out where the editor allows that, as it does in diagnostics. */
export function commandLink(name: CommandName, ...words: unknown[]): vscode.Uri {
  return vscode.Uri.parse(`command:${name}?${encodeURIComponent(JSON.stringify(words))}`);
}

/** Registers a command whose failure is told to the person, never swallowed and never thrown at the editor. */
export function registerCommand(
  name: CommandName,
  logs: Logs,
  handler: (...words: unknown[]) => unknown,
): vscode.Disposable {
  return vscode.commands.registerCommand(name, async (...words: unknown[]) => {
    try {
      return await handler(...words);
    } catch (error) {
      void tellTrouble(error, logs);
      return undefined;
    }
  });
}

/** The first minutes: the walkthrough, and a first pipeline to begin with. */
import * as vscode from 'vscode';
import { COMMANDS, EDITOR_COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import { LANGUAGE } from '../../infrastructure/language-client.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import { FIRST_PIPELINE } from './template.ts';

export interface WalkthroughDependencies {
  /** `publisher.name` of the extension. */
  extensionId: string;
  logs: Logs;
}

export function activateWalkthroughFeature({ extensionId, logs }: WalkthroughDependencies): vscode.Disposable {
  return vscode.Disposable.from(
    registerCommand(COMMANDS.openWalkthrough, logs, () =>
      vscode.commands.executeCommand(EDITOR_COMMANDS.openWalkthrough, `${extensionId}#mlpipe.start`, false),
    ),
    registerCommand(COMMANDS.newPipeline, logs, async () => {
      const document = await vscode.workspace.openTextDocument({ language: LANGUAGE });
      const editor = await vscode.window.showTextDocument(document);
      await editor.insertSnippet(new vscode.SnippetString(FIRST_PIPELINE), new vscode.Position(0, 0));
    }),
  );
}

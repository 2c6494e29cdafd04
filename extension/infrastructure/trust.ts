/** Workspace trust: a pipeline runs programs, so nothing runs where the folder is not trusted. */
import * as vscode from 'vscode';
import { EDITOR_COMMANDS } from './commands.ts';
import { offer } from './trouble.ts';

/**
 * Whether something that runs programs may go on. The manifest disables it where the workspace is not trusted; this
 * is asked again by every handler, because a command can be reached by a key, a link or another extension.
 */
export function mayRun(what: string): boolean {
  if (vscode.workspace.isTrusted) return true;
  void offer(
    vscode.window.showWarningMessage,
    vscode.l10n.t(
      '{0} is off in Restricted Mode, because a pipeline runs programs of this folder. Trust the workspace to run it.',
      what,
    ),
    [
      {
        title: vscode.l10n.t('Manage Workspace Trust'),
        act: () => vscode.commands.executeCommand(EDITOR_COMMANDS.manageTrust),
      },
    ],
  );
  return false;
}

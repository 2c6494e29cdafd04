/** While a step runs, its ▶ says how far it is and cancels; the server's other lenses stay as they are. */
import * as vscode from 'vscode';
import { COMMANDS } from '../../infrastructure/commands.ts';
import type { RunningRuns } from '../../infrastructure/running.ts';
import { shortProgress } from './messages.ts';

export function lensesWhileRunning(
  runs: RunningRuns,
  document: vscode.TextDocument,
  lenses: vscode.CodeLens[],
): vscode.CodeLens[] {
  return lenses.map((lens) => {
    if (lens.command?.command !== COMMANDS.run) return lens;
    const words: unknown[] = lens.command.arguments ?? [];
    const step = typeof words[1] === 'string' ? words[1] : undefined;
    const running = runs.of(document.uri.fsPath, step);
    if (running === undefined) return lens;
    return new vscode.CodeLens(lens.range, {
      title: `$(loading~spin) ${shortProgress(running, step)} · Cancel`,
      tooltip: vscode.l10n.t('Cancel this run. What is already stored stays.'),
      command: COMMANDS.cancelRun,
      arguments: words,
    });
  });
}

/** Checks a pipeline for decay: what it stands on and can no longer be had becomes a warning on its line. */
import * as vscode from 'vscode';
import { type DecayAnswer, DecayRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import { targetOf } from '../../infrastructure/target.ts';
import { isCancelled, offer, tellTrouble } from '../../infrastructure/trouble.ts';
import { mayRun } from '../../infrastructure/trust.ts';
import { outcomeOf, progressLine } from './messages.ts';

export interface DecayDependencies {
  runtime: RuntimeProcess;
  logs: Logs;
}

export function activateDecayFeature({ runtime, logs }: DecayDependencies): vscode.Disposable {
  const check = async (file: string, name: string): Promise<DecayAnswer> =>
    vscode.window.withProgress(
      {
        location: vscode.ProgressLocation.Notification,
        title: vscode.l10n.t('Checking {0} for decay', name),
        cancellable: true,
      },
      async (progress, token) => {
        let told = 0;
        const listening = runtime.onDecayProgress((message) => {
          if (message.file !== file) return;
          const share = message.total === 0 ? 0 : (message.done / message.total) * 100;
          progress.report({ message: progressLine(message), increment: Math.max(0, share - told) });
          told = Math.max(told, share);
        });
        try {
          return await runtime.request(DecayRequest, { file }, token);
        } finally {
          listening.dispose();
        }
      },
    );

  return registerCommand(COMMANDS.checkDecay, logs, async (...words) => {
    if (!mayRun(vscode.l10n.t('Checking for decay'))) return undefined;
    const target = await targetOf(words);
    if (target === undefined) return undefined;
    const name = vscode.workspace.asRelativePath(target.uri);
    try {
      const answer = await check(target.uri.fsPath, name);
      const { whole, message, details } = outcomeOf(name, answer);
      for (const line of details) logs.runtime.warn(line);
      const show = whole ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
      const remedies =
        details.length === 0 ? [] : [{ title: vscode.l10n.t('Show Details'), act: () => logs.runtime.show(true) }];
      void offer(show, message, remedies);
      return answer;
    } catch (error) {
      if (!isCancelled(error)) void tellTrouble(error, logs);
      return undefined;
    }
  });
}

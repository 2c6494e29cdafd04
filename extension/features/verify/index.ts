/** Verifies a model from the tree: reads it and everything behind it again, and tells what is not as it was written. */
import * as vscode from 'vscode';
import { VerifyRecordRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import { wantedRecord } from '../../infrastructure/record-uri.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import { isCancelled, offer, tellTrouble } from '../../infrastructure/trouble.ts';
import { mayRun } from '../../infrastructure/trust.ts';
import type { Verifications } from '../../infrastructure/verifications.ts';
import { outcomeOf, progressLine } from './messages.ts';

export interface VerifyDependencies {
  runtime: RuntimeProcess;
  verifications: Verifications;
  logs: Logs;
}

export function activateVerifyFeature({ runtime, verifications, logs }: VerifyDependencies): vscode.Disposable {
  return registerCommand(COMMANDS.verify, logs, async (node) => {
    const model = wantedRecord(node);
    if (model === undefined || !mayRun(vscode.l10n.t('Verifying {0}', model.name))) return undefined;
    const { folder, reference, name } = model;
    const options = {
      location: vscode.ProgressLocation.Notification,
      title: vscode.l10n.t('Verifying {0}', name),
      cancellable: true,
    };
    try {
      const answer = await vscode.window.withProgress(options, async (progress, token) => {
        let told = 0;
        const listening = runtime.onVerifyProgress((message) => {
          if (message.reference !== reference) return;
          const { done, total } = message.progress;
          const share = total === 0 ? 0 : (done / total) * 100;
          progress.report({ message: progressLine(message.progress), increment: Math.max(0, share - told) });
          told = Math.max(told, share);
        });
        try {
          return await runtime.request(VerifyRecordRequest, { folder, reference }, token);
        } finally {
          listening.dispose();
        }
      });
      verifications.keep(reference, answer);
      const { whole, message, details } = outcomeOf(name, answer);
      for (const line of details) {
        if (whole) logs.runtime.info(line);
        else logs.runtime.warn(line);
      }
      const show = whole ? vscode.window.showInformationMessage : vscode.window.showErrorMessage;
      void offer(show, message, [{ title: vscode.l10n.t('Show Details'), act: () => logs.runtime.show(true) }]);
      return answer;
    } catch (error) {
      if (!isCancelled(error)) void tellTrouble(error, logs);
      return undefined;
    }
  });
}

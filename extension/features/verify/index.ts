/** Verifies a model from the tree: reads it and everything behind it again, and tells what is not as it was written. */
import * as vscode from 'vscode';
import { VerifyRecordRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import { wantedRecord } from '../../infrastructure/record-uri.ts';
import { isCancelled, offer, tellTrouble } from '../../infrastructure/trouble.ts';
import { mayRun } from '../../infrastructure/trust.ts';
import { outcomeOf } from './messages.ts';
import { repairing } from './repair.ts';
import { type VerifyDependencies, withProgress } from './work.ts';

export function activateVerifyFeature(dependencies: VerifyDependencies): vscode.Disposable {
  const { runtime, verifications, logs } = dependencies;
  const repair = repairing(dependencies);

  const verify = async (node: unknown) => {
    const model = wantedRecord(node);
    if (model === undefined || !mayRun(vscode.l10n.t('Verifying {0}', model.name))) return undefined;
    const { folder, reference, name } = model;
    try {
      const answer = await withProgress(runtime, model, vscode.l10n.t('Verifying {0}', name), (token) =>
        runtime.request(VerifyRecordRequest, { folder, reference }, token),
      );
      verifications.keep(reference, answer);
      const { whole, repairable, message, details } = outcomeOf(name, answer);
      for (const line of details) {
        if (whole) logs.runtime.info(line);
        else logs.runtime.warn(line);
      }
      const show = whole ? vscode.window.showInformationMessage : vscode.window.showErrorMessage;
      void offer(show, message, [
        ...(repairable ? [{ title: vscode.l10n.t('Repair'), act: () => repair(node) }] : []),
        { title: vscode.l10n.t('Show Details'), act: () => logs.runtime.show(true) },
      ]);
      return answer;
    } catch (error) {
      if (!isCancelled(error)) void tellTrouble(error, logs);
      return undefined;
    }
  };

  return vscode.Disposable.from(
    registerCommand(COMMANDS.verify, logs, verify),
    registerCommand(COMMANDS.repair, logs, repair),
  );
}

/** Brings back from the remotes what is damaged or missing behind a model, and tells what is left and what to do about it. */
import * as vscode from 'vscode';
import { type RepairAnswer, RepairRecordRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS } from '../../infrastructure/commands.ts';
import { type WantedRecord, wantedRecord } from '../../infrastructure/record-uri.ts';
import { isCancelled, offer, type Remedy, tellTrouble } from '../../infrastructure/trouble.ts';
import { mayRun } from '../../infrastructure/trust.ts';
import { repairOutcome } from './messages.ts';
import { type VerifyDependencies, withProgress } from './work.ts';

/** The command: it takes a node of the tree. */
export function repairing({ runtime, verifications, logs }: VerifyDependencies) {
  const busy = new Set<string>();

  async function repair(node: unknown, setAsideLost: boolean): Promise<RepairAnswer | undefined> {
    const model = wantedRecord(node);
    if (model === undefined || !mayRun(vscode.l10n.t('Repairing {0}', model.name))) return undefined;
    if (busy.has(model.reference)) {
      void vscode.window.showInformationMessage(vscode.l10n.t('{0} is being repaired already.', model.name));
      return undefined;
    }
    busy.add(model.reference);
    try {
      const question = { folder: model.folder, reference: model.reference, setAsideLost };
      const answer = await withProgress(runtime, model, vscode.l10n.t('Repairing {0}', model.name), (token) =>
        runtime.request(RepairRecordRequest, question, token),
      );
      verifications.keep(model.reference, answer);
      tell(node, model, answer);
      return answer;
    } catch (error) {
      if (!isCancelled(error)) void tellTrouble(error, logs);
      return undefined;
    } finally {
      busy.delete(model.reference);
    }
  }

  function tell(node: unknown, { name }: WantedRecord, answer: RepairAnswer): void {
    const { whole, message, inTheWay, needsRun, details } = repairOutcome(name, answer);
    for (const line of details) {
      if (whole) logs.runtime.info(line);
      else logs.runtime.warn(line);
    }
    const remedies: Remedy[] = [
      // What nobody has whole goes only when a person has said so.
      ...(inTheWay > 0 ? [{ title: vscode.l10n.t('Set Aside'), act: () => repair(node, true) }] : []),
      ...(inTheWay === 0 && needsRun && isStep(node)
        ? [
            {
              title: vscode.l10n.t('Run {0} Again', name),
              act: () => vscode.commands.executeCommand(COMMANDS.runAgain, node),
            },
          ]
        : []),
      { title: vscode.l10n.t('Show Details'), act: () => logs.runtime.show(true) },
    ];
    const show = whole ? vscode.window.showInformationMessage : vscode.window.showWarningMessage;
    void offer(show, message, remedies);
  }

  return (node: unknown): Promise<RepairAnswer | undefined> => repair(node, false);
}

/** Whether it says which step of which file it is, as a model of the tree does. */
function isStep(node: unknown): boolean {
  return typeof node === 'object' && node !== null && 'pipelineFile' in node && 'step' in node;
}

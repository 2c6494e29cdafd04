/** Makes a model again from the tree, and tells how near it came. */
import * as vscode from 'vscode';
import { type ReproduceAnswer, ReproduceModelRequest, type RunEvent } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import { isCancelled, offer, tellTrouble } from '../../infrastructure/trouble.ts';
import { mayRun } from '../../infrastructure/trust.ts';
import { spokenMetric, spokenTransfer } from '../../infrastructure/wording.ts';

export interface ReproduceDependencies {
  runtime: RuntimeProcess;
  logs: Logs;
}

export function activateReproduceFeature({ runtime, logs }: ReproduceDependencies): vscode.Disposable {
  return registerCommand(COMMANDS.reproduce, logs, async (node) => {
    const model = modelOf(node);
    if (model === undefined || !mayRun(vscode.l10n.t('Reproducing {0}', model.name))) return undefined;
    const options = {
      location: vscode.ProgressLocation.Notification,
      title: vscode.l10n.t('Reproducing {0}', model.name),
      cancellable: true,
    };
    try {
      const answer = await vscode.window.withProgress(options, async (progress, token) => {
        progress.report({ message: vscode.l10n.t('laying out code and data …') });
        const listening = runtime.onReproduceEvent(({ reference, event }) => {
          const message = reference === model.record ? lineOf(event) : undefined;
          if (message !== undefined) progress.report({ message });
        });
        const fetching = runtime.onTransfer(({ for: reference, progress: transfer }) => {
          if (reference === model.record) progress.report({ message: spokenTransfer(transfer) });
        });
        const told = runtime.onTold(({ for: reference, message }) => {
          if (reference === model.record) progress.report({ message });
        });
        try {
          const question = { folder: model.folder, reference: model.record };
          return await runtime.request(ReproduceModelRequest, question, token);
        } finally {
          for (const listener of [listening, fetching, told]) listener.dispose();
        }
      });
      void tell(model, answer);
      return answer;
    } catch (error) {
      if (!isCancelled(error)) void tellTrouble(error, logs);
      return undefined;
    }
  });
}

interface Model {
  folder: string;
  record: string;
  name: string;
}

function modelOf(node: unknown): Model | undefined {
  if (typeof node !== 'object' || node === null || !('folder' in node) || !('record' in node)) return undefined;
  const { folder, record } = node;
  if (typeof folder !== 'string' || typeof record !== 'string') return undefined;
  return { folder, record, name: 'label' in node && typeof node.label === 'string' ? node.label : 'model' };
}

/** `recognise: epoch 3/20 · loss 0.12` */
function lineOf(event: RunEvent): string | undefined {
  if (event.type !== 'step-progress') return undefined;
  const epoch = event.epoch === undefined ? event.phase : `epoch ${event.epoch}/${event.epochs ?? '?'}`;
  const metrics = Object.entries(event.metrics ?? {})
    .slice(0, 2)
    .map(([name, value]) => spokenMetric(name, value));
  return `${event.step}: ${[epoch, ...metrics].join(' · ')}`;
}

async function tell(model: Model, answer: ReproduceAnswer): Promise<void> {
  const remedies = [
    {
      title: vscode.l10n.t('Show Record'),
      act: () =>
        vscode.commands.executeCommand(COMMANDS.showRecord, {
          folder: model.folder,
          record: answer.record,
          label: `${model.name} reproduced`,
        }),
    },
  ];
  const failed = answer.verdict === 'failed' || answer.verdict === 'inconclusive';
  const first = answer.differences[0];
  const differs =
    first === undefined ? '' : ` ${first.kind} ${first.name}: ${first.recorded ?? '–'} → ${first.now ?? '–'}.`;
  const message = vscode.l10n.t('{0} made again: {1}, {2}.{3}', model.name, answer.verdict, answer.because, differs);
  await offer(failed ? vscode.window.showWarningMessage : vscode.window.showInformationMessage, message, remedies);
}

/** What Verify and Repair share: a request that reads or fetches what stands behind a record, with its progress and a button to cancel it. */
import * as vscode from 'vscode';
import type { Logs } from '../../infrastructure/logging.ts';
import type { WantedRecord } from '../../infrastructure/record-uri.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import type { Verifications } from '../../infrastructure/verifications.ts';
import { spokenTransfer } from '../../infrastructure/wording.ts';
import { progressLine } from './messages.ts';

export interface VerifyDependencies {
  runtime: RuntimeProcess;
  verifications: Verifications;
  logs: Logs;
}

/** @throws what the request throws; a cancelled one counts as `isCancelled` */
export function withProgress<Answer>(
  runtime: RuntimeProcess,
  { reference }: WantedRecord,
  title: string,
  work: (token: vscode.CancellationToken) => Promise<Answer>,
): Thenable<Answer> {
  const options = { location: vscode.ProgressLocation.Notification, title, cancellable: true };
  return vscode.window.withProgress(options, async (progress, token) => {
    let told = 0;
    const reading = runtime.onVerifyProgress((message) => {
      if (message.reference !== reference) return;
      const { done, total } = message.progress;
      const share = total === 0 ? 0 : (done / total) * 100;
      progress.report({ message: progressLine(message.progress), increment: Math.max(0, share - told) });
      told = Math.max(told, share);
    });
    const fetching = runtime.onTransfer((message) => {
      if (message.for === reference) progress.report({ message: spokenTransfer(message.progress) });
    });
    try {
      return await work(token);
    } finally {
      reading.dispose();
      fetching.dispose();
    }
  });
}

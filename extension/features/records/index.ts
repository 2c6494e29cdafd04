/** A record as a read-only document: what a model was made from, as the ledger has it, word for word. */
import * as vscode from 'vscode';
import { ShowRecordRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import { RECORD_SCHEME, recordOf, recordUri, wantedRecord } from '../../infrastructure/record-uri.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import { mayRun } from '../../infrastructure/trust.ts';

export interface RecordsDependencies {
  runtime: RuntimeProcess;
  logs: Logs;
}

export function activateRecordsFeature({ runtime, logs }: RecordsDependencies): vscode.Disposable {
  const provider: vscode.TextDocumentContentProvider = {
    async provideTextDocumentContent(uri, token) {
      const { folder, reference } = recordOf(uri);
      const { text } = await runtime.request(ShowRecordRequest, { folder, reference }, token);
      return text;
    },
  };

  const show = async (place: unknown, record: unknown): Promise<void> => {
    const wanted = wantedRecord(place, record);
    if (wanted === undefined || !mayRun(vscode.l10n.t('Reading records'))) return;
    const document = await vscode.workspace.openTextDocument(recordUri(wanted));
    await vscode.languages.setTextDocumentLanguage(document, 'json');
    await vscode.window.showTextDocument(document, { preview: true });
  };

  return vscode.Disposable.from(
    vscode.workspace.registerTextDocumentContentProvider(RECORD_SCHEME, provider),
    registerCommand(COMMANDS.showRecord, logs, show),
  );
}

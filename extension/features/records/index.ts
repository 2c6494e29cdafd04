/** A record as a read-only document: what a model was made from, as the ledger has it, word for word. */
import { dirname } from 'node:path';
import * as vscode from 'vscode';
import { ShowRecordRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import { mayRun } from '../../infrastructure/trust.ts';

export const RECORD_SCHEME = 'mlpipe-record';

export interface RecordsDependencies {
  runtime: RuntimeProcess;
  logs: Logs;
}

export function activateRecordsFeature({ runtime, logs }: RecordsDependencies): vscode.Disposable {
  const provider: vscode.TextDocumentContentProvider = {
    async provideTextDocumentContent(uri, token) {
      const question = new URLSearchParams(uri.query);
      const folder = question.get('folder') ?? '';
      const reference = question.get('reference') ?? '';
      const { text } = await runtime.request(ShowRecordRequest, { folder, reference }, token);
      return text;
    },
  };

  /** From a code lens `[uri, record]`, or from a node of the tree. */
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

interface WantedRecord {
  folder: string;
  reference: string;
  name: string;
}

function wantedRecord(place: unknown, record: unknown): WantedRecord | undefined {
  if (typeof place === 'object' && place !== null && 'record' in place && 'folder' in place) {
    const { record: reference, folder } = place;
    const name = 'label' in place && typeof place.label === 'string' ? place.label : 'record';
    return typeof reference === 'string' && typeof folder === 'string' ? { folder, reference, name } : undefined;
  }
  if (typeof record !== 'string') return undefined;
  const uri =
    place instanceof vscode.Uri ? place : typeof place === 'string' ? vscode.Uri.parse(place, true) : undefined;
  if (uri === undefined) return undefined;
  const folder = vscode.workspace.getWorkspaceFolder(uri)?.uri.fsPath ?? dirname(uri.fsPath);
  return { folder, reference: record, name: 'record' };
}

function recordUri({ folder, reference, name }: WantedRecord): vscode.Uri {
  const short = reference.replace(/^sha256:/, '').slice(0, 8);
  return vscode.Uri.from({
    scheme: RECORD_SCHEME,
    path: `/${name.replace(/[^\w@=.-]+/g, '-')} ${short}.json`,
    query: new URLSearchParams({ folder, reference }).toString(),
  });
}

/** How a record is named inside the editor: what a command gets of it, and the address of its document. */
import { dirname } from 'node:path';
import * as vscode from 'vscode';

export const RECORD_SCHEME = 'mlpipe-record';

export interface WantedRecord {
  folder: string;
  reference: string;
  name: string;
}

/** From a node of the tree, from a code lens `[uri, record]`, or from a record's own document. */
export function wantedRecord(place: unknown, record?: unknown): WantedRecord | undefined {
  if (place instanceof vscode.Uri && place.scheme === RECORD_SCHEME) return recordOf(place);
  if (typeof place === 'object' && place !== null && 'record' in place && 'folder' in place) {
    const { record: reference, folder } = place;
    // What stands below a model in the tree is about the model, and says which step that is of.
    const said = 'step' in place ? place.step : 'label' in place ? place.label : undefined;
    const name = typeof said === 'string' ? said : 'record';
    return typeof reference === 'string' && typeof folder === 'string' ? { folder, reference, name } : undefined;
  }
  if (typeof record !== 'string') return undefined;
  const uri =
    place instanceof vscode.Uri ? place : typeof place === 'string' ? vscode.Uri.parse(place, true) : undefined;
  if (uri === undefined) return undefined;
  const folder = vscode.workspace.getWorkspaceFolder(uri)?.uri.fsPath ?? dirname(uri.fsPath);
  return { folder, reference: record, name: 'record' };
}

export function recordUri({ folder, reference, name }: WantedRecord): vscode.Uri {
  const short = reference.replace(/^sha256:/, '').slice(0, 8);
  return vscode.Uri.from({
    scheme: RECORD_SCHEME,
    path: `/${name.replace(/[^\w@=.-]+/g, '-')} ${short}.json`,
    query: new URLSearchParams({ folder, reference }).toString(),
  });
}

/** The record behind its document. */
export function recordOf(uri: vscode.Uri): WantedRecord {
  const question = new URLSearchParams(uri.query);
  return { folder: question.get('folder') ?? '', reference: question.get('reference') ?? '', name: 'record' };
}

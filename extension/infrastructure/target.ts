/** What a command about a pipeline is about: the pipeline file and the steps, whichever way it was reached. */
import { basename } from 'node:path';
import * as vscode from 'vscode';

export interface RunTarget {
  uri: vscode.Uri;
  /** Empty for the whole pipeline. */
  steps: string[];
}

/**
 * A code lens gives `[uri, step, …]` as strings, the editor's title gives a `Uri`, the tree gives a node with a file,
 * and the palette gives nothing: then the active editor counts, and where that is no pipeline, a person is asked.
 */
export async function targetOf(words: readonly unknown[]): Promise<RunTarget | undefined> {
  const [place, ...named] = words;
  const steps = named.some((word) => typeof word === 'string')
    ? named.filter((word) => typeof word === 'string')
    : stepOfNode(place);
  const uri = uriOf(place) ?? activePipeline() ?? (await askForPipeline());
  return uri === undefined ? undefined : { uri, steps };
}

export function uriOf(place: unknown): vscode.Uri | undefined {
  if (place instanceof vscode.Uri) return place;
  if (typeof place === 'string') return vscode.Uri.parse(place, true);
  if (typeof place === 'object' && place !== null && 'pipelineFile' in place) {
    return typeof place.pipelineFile === 'string' ? vscode.Uri.file(place.pipelineFile) : undefined;
  }
  return undefined;
}

function stepOfNode(place: unknown): string[] {
  if (typeof place !== 'object' || place === null || !('step' in place)) return [];
  return typeof place.step === 'string' ? [place.step] : [];
}

function activePipeline(): vscode.Uri | undefined {
  const document = vscode.window.activeTextEditor?.document;
  return document?.languageId === 'mlpipe' && document.uri.scheme === 'file' ? document.uri : undefined;
}

async function askForPipeline(): Promise<vscode.Uri | undefined> {
  const files = await vscode.workspace.findFiles('**/*.mlpipe', '**/{node_modules,.mlpipe}/**', 200);
  if (files.length === 0) {
    void vscode.window.showInformationMessage(
      vscode.l10n.t('There is no pipeline in this workspace. Make one with "mlpipe: New Pipeline".'),
    );
    return undefined;
  }
  if (files.length === 1) return files[0];
  const items = files
    .map((uri) => ({ label: basename(uri.fsPath), description: vscode.workspace.asRelativePath(uri), uri }))
    .sort((a, b) => a.description.localeCompare(b.description));
  const chosen = await vscode.window.showQuickPick(items, { placeHolder: vscode.l10n.t('Which pipeline?') });
  return chosen?.uri;
}

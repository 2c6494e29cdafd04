/** Why a step ran again, or would: its two keys in words, as two read-only documents in the editor's own diff. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import { type WhyAnswer, WhyRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, EDITOR_COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import { targetOf } from '../../infrastructure/target.ts';
import { mayRun } from '../../infrastructure/trust.ts';

export interface WhyDependencies {
  runtime: RuntimeProcess;
  logs: Logs;
}

const KEY_SCHEME = 'mlpipe-key';

type Side = 'before' | 'after';

export function activateWhyFeature({ runtime, logs }: WhyDependencies): vscode.Disposable {
  /** What was shown, as long as its document is open: the pipeline may be another by the time it is asked for. */
  const shown = new Map<string, string>();

  const ask = (file: string, step: string): Promise<WhyAnswer> => runtime.request(WhyRequest, { file, step });

  const provider: vscode.TextDocumentContentProvider = {
    async provideTextDocumentContent(uri) {
      const known = shown.get(uri.toString());
      if (known !== undefined) return known;
      // A window that was opened again: as it is today.
      const { file, step, side } = wantedOf(uri);
      return (await ask(file, step)).keys?.[side].text ?? '';
    },
  };

  const show = async (...words: unknown[]): Promise<WhyAnswer | undefined> => {
    const target = await targetOf(words);
    const [step] = target?.steps ?? [];
    if (target === undefined || step === undefined || !mayRun(vscode.l10n.t('Comparing runs'))) return undefined;
    const file = target.uri.fsPath;
    // What is typed and not saved is no part of what a run would see.
    const document = vscode.workspace.textDocuments.find(({ uri }) => uri.fsPath === file);
    if (document?.isDirty) await document.save();
    const answer = await ask(file, step);
    if (answer.keys === null) {
      const message = vscode.l10n.t('{0}: {1}. There is no other run to compare with.', step, answer.reason);
      void vscode.window.showInformationMessage(message);
      return answer;
    }
    const [before, after] = (['before', 'after'] as const).map((side) => {
      const { title, text } = answer.keys?.[side] ?? { title: '', text: '' };
      const uri = uriOf(file, step, side, title);
      shown.set(uri.toString(), text);
      return uri;
    });
    if (before === undefined || after === undefined) return answer;
    const title = `${step}: ${answer.keys.before.title} ↔ ${answer.keys.after.title}`;
    await vscode.commands.executeCommand(EDITOR_COMMANDS.diff, before, after, title, { preview: true });
    vscode.window.setStatusBarMessage(vscode.l10n.t('{0}: {1}', step, answer.reason), 8000);
    return answer;
  };

  return vscode.Disposable.from(
    vscode.workspace.registerTextDocumentContentProvider(KEY_SCHEME, provider),
    vscode.workspace.onDidCloseTextDocument(({ uri }) => shown.delete(uri.toString())),
    registerCommand(COMMANDS.why, logs, show),
  );
}

/** Each look has documents of its own: one that is open keeps what it shows. */
let looks = 0;

function uriOf(file: string, step: string, side: Side, title: string): vscode.Uri {
  if (side === 'before') looks += 1;
  return vscode.Uri.from({
    scheme: KEY_SCHEME,
    path: `/${step.replace(/[^\w@=.-]+/g, '-')} (${title.replace(/[^\w@=.:, -]+/g, '-')})`,
    query: new URLSearchParams({ file, step, side, look: String(looks) }).toString(),
  });
}

function wantedOf(uri: vscode.Uri): { file: string; step: string; side: Side } {
  const question = new URLSearchParams(uri.query);
  const file = question.get('file') ?? '';
  if (!vscode.workspace.isTrusted) throw new Error(vscode.l10n.t('Comparing runs is off in Restricted Mode.'));
  return {
    file,
    step: question.get('step') ?? basename(file),
    side: question.get('side') === 'before' ? 'before' : 'after',
  };
}

/** The lineage of a model as a graph: what stands behind it, what came of it, and how it differs from another. */
import * as vscode from 'vscode';
import { ModelsRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import { wantedRecord } from '../../infrastructure/record-uri.ts';
import type { RuntimeProcess } from '../../infrastructure/runtime-process.ts';
import { mayRun } from '../../infrastructure/trust.ts';
import { spokenAge, spokenMetric } from '../../infrastructure/wording.ts';
import { type Subject, subjectOf } from './messages.ts';
import { LineagePanel, type PanelDependencies } from './panel.ts';

export interface LineageDependencies {
  runtime: RuntimeProcess;
  logs: Logs;
  /** The folder with the page's script and style. */
  pages: vscode.Uri;
}

const VIEW_TYPE = 'mlpipe.lineage';

export function activateLineageFeature({ runtime, logs, pages }: LineageDependencies): vscode.Disposable {
  const panels = new Map<vscode.WebviewPanel, LineagePanel>();
  const dependencies: PanelDependencies = {
    runtime,
    logs,
    pages,
    chooseModel: (folder, except) => chooseModel(runtime, [folder], except).then((chosen) => chosen?.reference),
  };

  const fill = (panel: vscode.WebviewPanel, subject: Subject): LineagePanel => {
    const media = vscode.Uri.joinPath(pages, '..', '..', 'media');
    panel.iconPath = {
      light: vscode.Uri.joinPath(media, 'file-light.svg'),
      dark: vscode.Uri.joinPath(media, 'file-dark.svg'),
    };
    const filled = new LineagePanel(panel, subject, dependencies);
    panels.set(panel, filled);
    panel.onDidDispose(() => panels.delete(panel));
    return filled;
  };

  const show = async (place: unknown, record: unknown): Promise<void> => {
    if (!mayRun(vscode.l10n.t('Showing a lineage'))) return;
    const folders = (vscode.workspace.workspaceFolders ?? []).map(({ uri }) => uri.fsPath);
    const subject = wantedRecord(place, record) ?? (await chooseModel(runtime, folders, undefined));
    if (subject === undefined) return;
    const { folder, reference } = subject;
    const open = [...panels.values()].find((each) => {
      return each.subject.folder === folder && each.subject.reference === reference;
    });
    if (open !== undefined) return open.reveal();
    // Not retained while hidden: the page keeps what it needs, and asks for the rest when it comes back.
    const panel = vscode.window.createWebviewPanel(VIEW_TYPE, vscode.l10n.t('Lineage'), vscode.ViewColumn.Active);
    fill(panel, { folder, reference });
  };

  return vscode.Disposable.from(
    registerCommand(COMMANDS.showLineage, logs, show),
    vscode.window.registerWebviewPanelSerializer(VIEW_TYPE, {
      async deserializeWebviewPanel(panel, state: unknown) {
        const subject = typeof state === 'object' && state !== null && 'subject' in state ? state.subject : undefined;
        const known = subjectOf(subject);
        if (known === undefined) panel.dispose();
        else fill(panel, known);
      },
    }),
    new vscode.Disposable(() => {
      for (const panel of panels.values()) panel.dispose();
    }),
  );
}

async function chooseModel(
  runtime: RuntimeProcess,
  folders: readonly string[],
  except: string | undefined,
): Promise<Subject | undefined> {
  const asked = folders.map(async (folder) => {
    const models = await runtime.request(ModelsRequest, { folder });
    return models
      .filter(({ record }) => record !== except)
      .map(({ record, step, run, pipeline, ended, current, metrics, commit }) => ({
        label: step,
        description: [run, spokenAge(ended, Date.now()), current ? 'current' : undefined].filter(Boolean).join(' · '),
        detail: [
          pipeline,
          ...Object.entries(metrics)
            .slice(0, 3)
            .map(([name, value]) => spokenMetric(name, value)),
          ...(commit === null ? [] : [`commit ${commit.id.slice(0, 8)}`]),
        ].join(' · '),
        subject: { folder, reference: record },
      }));
  });
  const items = (await Promise.all(asked)).flat();
  if (items.length === 0) {
    void vscode.window.showInformationMessage(vscode.l10n.t('There is no other model yet. Train one, then compare.'));
    return undefined;
  }
  const chosen = await vscode.window.showQuickPick(items, {
    placeHolder: vscode.l10n.t(except === undefined ? 'The model whose lineage is shown' : 'The model to compare with'),
    matchOnDescription: true,
    matchOnDetail: true,
  });
  return chosen?.subject;
}

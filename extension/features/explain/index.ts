/** The page of a diagnostic, as the extension brings it along: of this very version, and without a network. */
import { join } from 'node:path';
import * as vscode from 'vscode';
import { COMMANDS, EDITOR_COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { Logs } from '../../infrastructure/logging.ts';

export interface ExplainDependencies {
  /** `docs/diagnostics`. */
  pages: string;
  logs: Logs;
}

export function activateExplainFeature({ pages, logs }: ExplainDependencies): vscode.Disposable {
  return registerCommand(COMMANDS.explain, logs, async (code) => {
    // A link may come from anywhere; only a code becomes part of a path.
    if (typeof code !== 'string' || !/^MLP\d{4}$/.test(code)) return;
    await vscode.commands.executeCommand(EDITOR_COMMANDS.previewMarkdown, vscode.Uri.file(join(pages, `${code}.md`)));
  });
}

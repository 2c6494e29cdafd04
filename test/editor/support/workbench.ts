/** What the tests do and see in the workbench, by the same interfaces that a person's clicks go through. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { MlpipeApi } from '../../../extension/extension.ts';
import type { TreeNode } from '../../../extension/features/models/tree-node.ts';
import { hasPage, texts } from './page.ts';
import { poll } from './poll.ts';

export const EXTENSION = 'mlpipe.mlpipe';

/** Activates the extension and gives what it exposes. */
export async function mlpipe(): Promise<MlpipeApi> {
  const extension = vscode.extensions.getExtension<MlpipeApi>(EXTENSION);
  assert.ok(extension, 'VS Code knows the extension');
  return extension.activate();
}

export function workspaceFolder(): string {
  const folder = vscode.workspace.workspaceFolders?.[0];
  assert.ok(folder, 'a folder is open');
  return folder.uri.fsPath;
}

/** The command line that belongs to the extension, in the folder that is open. @throws where it does not answer 0 */
export function cli(...words: string[]): void {
  const extension = vscode.extensions.getExtension(EXTENSION);
  assert.ok(extension);
  execFileSync(process.execPath, [join(extension.extensionPath, 'dist', 'cli.cjs'), ...words], {
    cwd: workspaceFolder(),
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    stdio: 'ignore',
  });
}

export async function open(file: string): Promise<vscode.TextEditor> {
  const document = await vscode.workspace.openTextDocument(join(workspaceFolder(), file));
  return vscode.window.showTextDocument(document, { preview: false });
}

/** Types as the keyboard does, so that brackets close and lines indent as the language says. */
export async function type(text: string): Promise<void> {
  for (const character of text) await vscode.commands.executeCommand('type', { text: character });
}

export function codeOf(diagnostic: vscode.Diagnostic): string {
  const { code } = diagnostic;
  return String(typeof code === 'object' ? code.value : code);
}

/** The diagnostics with a code, as soon as there are any. */
export function diagnostics(uri: vscode.Uri, code: string): Promise<vscode.Diagnostic[]> {
  return poll(
    () => {
      const found = vscode.languages.getDiagnostics(uri).filter((diagnostic) => codeOf(diagnostic) === code);
      return found.length > 0 && found;
    },
    {
      what: `the diagnostic ${code}`,
      seen: () => vscode.languages.getDiagnostics(uri).map((found) => [codeOf(found), found.message]),
    },
  );
}

export function noDiagnostics(uri: vscode.Uri, code: string): Promise<true> {
  return poll(() => vscode.languages.getDiagnostics(uri).every((diagnostic) => codeOf(diagnostic) !== code), {
    what: `the diagnostic ${code} to go`,
    seen: () => vscode.languages.getDiagnostics(uri).map((found) => [codeOf(found), found.message]),
  }).then(() => true);
}

export function lens(uri: vscode.Uri, title: RegExp): Promise<vscode.CodeLens> {
  let last: (string | undefined)[] = [];
  return poll(
    async () => {
      const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
        'vscode.executeCodeLensProvider',
        uri,
        100,
      );
      last = lenses.map(({ command }) => command?.title);
      return lenses.find(({ command }) => command !== undefined && title.test(command.title));
    },
    { what: `a lens ${title}`, seen: () => last },
  );
}

/** Every model of the tree that is done. */
export function models(tree: readonly TreeNode[]): TreeNode[] {
  return tree.flatMap(({ children }) => children).filter(({ kind }) => kind === 'model');
}

/** The newest model of the tree that is done. */
export async function newestModel(): Promise<TreeNode> {
  const [model] = models((await mlpipe()).models.tree());
  assert.ok(model, 'a model is done');
  return model;
}

/**
 * A message that the workbench shows; on a desktop, where it can't be read, nothing is waited for. A workbench that can
 * be driven shows no toasts, so the list of messages is opened for it.
 */
export async function message(pattern: RegExp): Promise<void> {
  if (!hasPage) return;
  let last: string[] = [];
  await poll(
    async () => {
      await showMessages();
      last = await texts('.notifications-center .notification-list-item-message');
      return last.some((text) => pattern.test(text));
    },
    { what: `a message like ${pattern}`, seen: () => last },
  );
}

export async function showMessages(): Promise<void> {
  const open = await texts('.notifications-center.visible');
  if (open.length === 0) await vscode.commands.executeCommand('notifications.showList');
}

export function closeMessages(): Thenable<unknown> {
  return vscode.commands.executeCommand('notifications.clearAll');
}

/** Ready to be looked at: the light and the dark theme that the editor comes with, and high contrast, by the names of their pictures. */
export const THEMES: Record<string, string> = {
  light: 'Light 2026',
  dark: 'Dark 2026',
  'high-contrast': 'Default High Contrast',
};

export async function inTheme(theme: string, act: () => Promise<unknown>): Promise<void> {
  const settings = vscode.workspace.getConfiguration('workbench');
  await settings.update('colorTheme', theme, vscode.ConfigurationTarget.Global);
  await act();
}

/** Does something in each theme, told its name; the dark one stays. */
export async function inEveryTheme(act: (theme: string) => Promise<unknown>): Promise<void> {
  for (const [name, title] of Object.entries(THEMES)) await inTheme(title, () => act(name));
  await inTheme(THEMES.dark ?? '', async () => undefined);
}

/** Writes the name of a layer wrongly, and waits until that is told. */
export async function misspell(): Promise<void> {
  const { document } = await open('digits.mlpipe');
  const edit = new vscode.WorkspaceEdit();
  const at = document.getText().indexOf('maxPool2d');
  edit.replace(document.uri, new vscode.Range(document.positionAt(at), document.positionAt(at + 9)), 'maxPol2d');
  await vscode.workspace.applyEdit(edit);
  await poll(() => vscode.languages.getDiagnostics(document.uri).some((found) => codeOf(found).startsWith('MLP1')), {
    what: 'a diagnostic of the language',
    seen: () => vscode.languages.getDiagnostics(document.uri),
  });
}

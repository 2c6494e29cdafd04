import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { click, hasPage, screenshot, texts } from '../support/page.ts';
import { poll } from '../support/poll.ts';
import {
  closeMessages,
  diagnostics,
  mlpipe,
  noDiagnostics,
  open,
  type,
  workspaceFolder,
} from '../support/workbench.ts';

describe('writing a pipeline in VS Code', () => {
  // What is trained later is trained from a folder without changes.
  after(async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    rmSync(join(workspaceFolder(), 'fresh.mlpipe'), { force: true });
  });

  it('has the language server running', async () => {
    const { language } = await mlpipe();
    await poll(() => language.state.kind === 'ready', { what: 'the language server', seen: () => language.state });
  });

  it('closes brackets and indents as it is typed, and underlines data that is not pinned', async () => {
    writeFileSync(join(workspaceFolder(), 'fresh.mlpipe'), '');
    const { document } = await open('fresh.mlpipe');
    await type('pipeline fresh\n\ndata digits {\nfrom "data/digits.csv"');
    assert.equal(document.getText(), 'pipeline fresh\n\ndata digits {\n  from "data/digits.csv"\n}');
    const [unpinned] = await diagnostics(document.uri, 'MLP2001');
    assert.ok(unpinned);
    assert.equal(unpinned.range.start.line, 3, 'it is the source that is underlined');
    assert.ok(typeof unpinned.code === 'object' && unpinned.code.target, 'its code links to its page');
  });

  it('explains a diagnostic by the page behind its code', async () => {
    const { document } = await open('fresh.mlpipe');
    const [unpinned] = await diagnostics(document.uri, 'MLP2001');
    assert.ok(typeof unpinned?.code === 'object');
    const shown = () =>
      vscode.window.tabGroups.activeTabGroup.tabs.some(({ label }) => label.includes('MLP2001')) || undefined;
    if (hasPage) {
      await vscode.commands.executeCommand('workbench.actions.view.problems');
      await click('.markers-panel a', 'MLP2001');
    } else {
      const [command, words] = unpinned.code.target.toString(true).replace('command:', '').split('?');
      await vscode.commands.executeCommand(command ?? '', ...JSON.parse(words ?? '[]'));
    }
    await poll(shown, { what: 'the page of MLP2001', seen: () => vscode.window.tabGroups.activeTabGroup.tabs });
    if (hasPage) {
      await poll(async () => (await texts('h1')).some((text) => text === 'MLP2001: Data is not pinned'), {
        what: 'the page as it is meant to be read',
      });
      await screenshot('explain');
    }
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    await vscode.commands.executeCommand('workbench.action.closePanel');
  });

  it('pins it by one click on the fix', async () => {
    const { document } = await open('fresh.mlpipe');
    const [unpinned] = await diagnostics(document.uri, 'MLP2001');
    assert.ok(unpinned);
    const editor = vscode.window.activeTextEditor;
    assert.ok(editor);
    editor.selection = new vscode.Selection(unpinned.range.start, unpinned.range.start);
    // The digest is computed off the keystroke path; the fix is there as soon as it is known.
    const pin = await poll(
      async () => {
        const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
          'vscode.executeCodeActionProvider',
          document.uri,
          unpinned.range,
          vscode.CodeActionKind.QuickFix.value,
        );
        return actions.find(({ title }) => /^pin/i.test(title));
      },
      { what: 'the fix' },
    );
    if (hasPage) {
      await vscode.commands.executeCommand('editor.action.quickFix');
      await poll(
        async () => (await texts('.action-widget .monaco-list-row')).some((text) => text.includes(pin.title)),
        {
          what: 'the menu with the fix',
        },
      );
      await screenshot('fix');
      await click('.action-widget .monaco-list-row', pin.title);
    } else {
      assert.ok(pin.edit);
      await vscode.workspace.applyEdit(pin.edit);
    }
    await poll(() => /\n {2}pin +sha256:[0-9a-f]{64}\n/.test(document.getText()), {
      what: 'the pin in the text',
      seen: () => document.getText(),
    });
    await noDiagnostics(document.uri, 'MLP2001');
    await document.save();
    await closeMessages();
  });

  it('opens the library of built-ins from a layer', async () => {
    const { document } = await open('digits.mlpipe');
    const at = document.positionAt(document.getText().indexOf('maxPool2d') + 2);
    const targets = await poll(
      async () => {
        const found = await vscode.commands.executeCommand<(vscode.Location | vscode.LocationLink)[]>(
          'vscode.executeDefinitionProvider',
          document.uri,
          at,
        );
        return found.length > 0 && found;
      },
      { what: 'a definition' },
    );
    const [target] = targets;
    assert.ok(target);
    const uri = 'uri' in target ? target.uri : target.targetUri;
    assert.equal(uri.scheme, 'builtin');
    const library = await vscode.workspace.openTextDocument(uri);
    assert.match(library.getText(), /maxPool2d/);
  });
});

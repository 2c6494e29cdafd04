import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { click, hasPage, screenshot, texts } from '../support/page.ts';
import { poll } from '../support/poll.ts';
import { closeMessages, inTheme, mlpipe, THEMES } from '../support/workbench.ts';

describe('the first steps in VS Code', () => {
  before(async () => {
    await mlpipe();
    await closeMessages();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('begin with a walkthrough of five steps', async () => {
    await vscode.commands.executeCommand('mlpipe.openWalkthrough');
    if (!hasPage) return;
    await poll(async () => (await texts('.getting-started-step .step-title')).length === 5, {
      what: 'the five steps of the walkthrough',
    });
    await inTheme(THEMES.light ?? '', () => screenshot('walkthrough'));
    await click('.getting-started-step', 'Pin your data');
    await inTheme(THEMES.dark ?? '', () => screenshot('walkthrough-dark'));
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('give a pipeline to begin with, whose first gap is selected', async () => {
    await vscode.commands.executeCommand('mlpipe.newPipeline');
    const editor = vscode.window.activeTextEditor;
    assert.ok(editor);
    assert.equal(editor.document.languageId, 'mlpipe');
    assert.equal(editor.document.getText(editor.selection), 'flowers');
    await vscode.commands.executeCommand('workbench.action.revertAndCloseActiveEditor');
  });
});

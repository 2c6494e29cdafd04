/** The pictures of the documentation: what a person has after a quiet hour, in a window that shows nothing else. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { click, focused, picture, press, resize, texts, widenSideBar } from '../support/page.ts';
import { poll } from '../support/poll.ts';
import { closeMessages, inTheme, mlpipe, models, open, THEMES, workspaceFolder } from '../support/workbench.ts';

const pipeline = () => join(workspaceFolder(), 'digits.mlpipe');
const command = (name: string, ...words: unknown[]) => vscode.commands.executeCommand(name, ...words);

function commit(text: string, subject: string): void {
  writeFileSync(pipeline(), text);
  execFileSync('git', ['commit', '--quiet', '--all', '--allow-empty', `--message=${subject}`], {
    cwd: workspaceFolder(),
  });
}

async function newest() {
  const api = await mlpipe();
  await api.models.refresh();
  const [model] = models(api.models.tree());
  assert.ok(model);
  return model;
}

describe('the pictures', () => {
  before(async () => {
    const settings = vscode.workspace.getConfiguration();
    const quiet = {
      'breadcrumbs.enabled': false,
      'editor.fontSize': 13,
      'editor.renderLineHighlight': 'none',
      'editor.scrollbar.horizontal': 'hidden',
      'editor.scrollbar.vertical': 'hidden',
      'editor.stickyScroll.enabled': false,
    };
    for (const [name, value] of Object.entries(quiet))
      await settings.update(name, value, vscode.ConfigurationTarget.Global);
  });

  it('have two models to show: a first try, and one that was made again and verified', async () => {
    const text = readFileSync(pipeline(), 'utf8');
    const file = vscode.Uri.file(pipeline());
    commit(text.replace('3e-3', '4e-3').replace(/epochs +20/, 'epochs     5'), 'Try a higher rate');
    await command('mlpipe.run', file);
    commit(text, 'Train for longer, at the old rate');
    await command('mlpipe.run', file);
    await command('mlpipe.reproduce', await newest());
    await command('mlpipe.verify', await newest());
    const { description } = await newest();
    assert.match(description, /current · verified: whole · reproduced: bitwise/);
    assert.equal(models((await mlpipe()).models.tree()).length, 2);
  });

  it('show the pipeline with its lenses, the tree of models, and the lineage', async () => {
    // Before the pipeline is opened: the names in it take their colours from the theme that there is then.
    await inTheme(THEMES.dark ?? '', () => resize(1440, 940));
    const { document, selection } = await open('digits.mlpipe');
    assert.ok(selection);
    const model = await newest();
    await command('mlpipe.showModel', document.uri.toString(), model.record);
    // A line that is selected shows its buttons in place of what it says.
    await command('list.clear');
    await widenSideBar(480);
    await command('mlpipe.showLineage', model);
    await command('workbench.action.moveEditorToBelowGroup');
    await command('vscode.setEditorLayout', { orientation: 1, groups: [{ size: 0.7 }, { size: 0.3 }] });
    await poll(async () => (await texts('.nodes .node')).length > 8, { what: 'the graph' });
    await click('button', 'Fit');
    await command('workbench.action.focusFirstEditorGroup');
    const editor = vscode.window.activeTextEditor;
    assert.ok(editor);
    const line = document.positionAt(document.getText().indexOf('model cnn')).line;
    editor.selection = new vscode.Selection(line, 0, line, 0);
    editor.revealRange(new vscode.Range(line, 0, line, 0), vscode.TextEditorRevealType.AtTop);
    for (const lens of [/Train.*accuracy/s, /Evaluate.*accuracy/s])
      await poll(async () => (await texts('.codelens-decoration')).some((each) => lens.test(each)), {
        what: `the lens ${lens}`,
      });
    await closeMessages();
    await picture('picture-overview');
  });

  it('show the lineage, with what is known of the model', async () => {
    await command('workbench.action.closeAllEditors');
    await resize(1440, 640);
    await widenSideBar(330);
    await command('mlpipe.showLineage', await newest());
    await poll(async () => (await texts('.nodes .node')).length > 8, { what: 'the graph' });
    await click('.search input');
    await press('Escape');
    assert.equal(await focused(), 'canvas');
    await press('Home');
    await poll(async () => (await texts('.node.selected')).length === 1, { what: 'the model to be selected' });
    await press('0');
    await closeMessages();
    await inTheme(THEMES.light ?? '', () => picture('picture-lineage'));
  });
});

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import { click, focused, hasPage, press, screenshot, texts, type } from '../support/page.ts';
import { poll } from '../support/poll.ts';
import { closeMessages, inEveryTheme, newestModel, workspaceFolder } from '../support/workbench.ts';

/** Boxes of the graph, each as its lines. */
const boxes = async (selector = '.nodes .node'): Promise<string[]> =>
  (await texts(selector)).map((text) => text.replaceAll('\n', ' | '));

async function box(pattern: RegExp, selector?: string): Promise<string> {
  let last: string[] = [];
  return poll(
    async () => {
      last = await boxes(selector);
      return last.find((text) => pattern.test(text));
    },
    { what: `a node like ${pattern}`, seen: () => last },
  );
}

/** Beside the graph: with another rate, for two epochs; the pipeline is then as it was. */
async function trainAnother(): Promise<void> {
  const document = await vscode.workspace.openTextDocument(join(workspaceFolder(), 'digits.mlpipe'));
  const editor = await vscode.window.showTextDocument(document, vscode.ViewColumn.Two);
  const text = document.getText();
  const write = async (content: string): Promise<void> => {
    const whole = new vscode.Range(document.positionAt(0), document.positionAt(document.getText().length));
    await editor.edit((edit) => edit.replace(whole, content));
    await document.save();
  };
  await write(text.replace('3e-3', '4e-3').replace(/epochs +20/, 'epochs     2'));
  await vscode.commands.executeCommand('mlpipe.run', document.uri.toString(), 'recognise');
  await write(text);
  await vscode.commands.executeCommand('workbench.action.closeEditorsInGroup');
  await vscode.commands.executeCommand('workbench.action.focusFirstEditorGroup');
}

async function pictures(name: string): Promise<void> {
  await closeMessages();
  await inEveryTheme((theme) => screenshot(`${name}-${theme}`));
}

describe('the lineage of a model in VS Code', () => {
  before(async () => {
    await closeMessages();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });
  after(() => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  it('opens as a tab', async () => {
    await vscode.commands.executeCommand('mlpipe.showLineage', await newestModel());
    await poll(() => vscode.window.tabGroups.activeTabGroup.tabs.some(({ label }) => label === 'Lineage: recognise'), {
      what: 'the tab',
      seen: () => vscode.window.tabGroups.activeTabGroup.tabs.map(({ label }) => label),
    });
  });

  it('shows what the model was made from and what came of it', async function () {
    if (!hasPage) this.skip();
    for (const node of [
      /^data\/digits\.csv \| data · 1,797 rows$/,
      /^recognise \| training · /,
      /^recognise\.model \| model · /,
      /\| evaluation · accuracy \d+\.\d %/,
      /\| reproduction · /,
      /\| commit · main$/,
      /^cpu \| environment/,
    ])
      await box(node);
    await click('button', 'Fit');
    await pictures('lineage');
  });

  it('finds a node by what is typed, and says how many there are', async function () {
    if (!hasPage) this.skip();
    await click('#canvas');
    await press('/');
    await type('digits.csv');
    await poll(async () => (await texts('#hits')).includes('1 of 1'), { what: 'the number found' });
    assert.match(await box(/./, '.node.selected'), /^data\/digits\.csv/);
    await poll(async () => (await texts('#details dd')).includes('data/digits.csv'), { what: 'the details' });
    await screenshot('lineage-search');
    await press('Escape');
  });

  it('is walked by the keyboard along the edges', async function () {
    if (!hasPage) this.skip();
    await press('Home');
    await box(/^recognise \| training/, '.node.selected');
    await press('ArrowRight');
    await box(/^recognise\.model \| model/, '.node.selected');
    await press('ArrowLeft');
    await box(/^recognise \| training/, '.node.selected');
    await press('ArrowLeft');
    await poll(async () => !(await boxes('.node.selected'))[0]?.includes('training'), {
      what: 'what it was made from',
    });
    await press('Escape');
    await poll(async () => (await boxes('.node.selected')).length === 0, { what: 'nothing to be selected' });
  });

  it('opens the data and the record of a node by Enter, and is as it was when one comes back', async function () {
    if (!hasPage) this.skip();
    await press('Home');
    await box(/^recognise \| training/, '.node.selected');
    await press('Enter');
    await poll(() => vscode.window.activeTextEditor?.document.uri.scheme === 'mlpipe-record', { what: 'the record' });
    const record = JSON.parse(vscode.window.activeTextEditor?.document.getText() ?? '');
    assert.equal(record.kind, 'train');
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    // It was not kept while it was hidden, and is selected again by what the page remembers.
    await box(/^recognise \| training/, '.node.selected');
    await click('.node', 'digits.csv');
    await box(/^data\/digits\.csv/, '.node.selected');
    await click('button', 'Open File');
    await poll(() => vscode.window.activeTextEditor?.document.uri.fsPath.endsWith('digits.csv'), { what: 'the data' });
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });

  it('copies the id of a commit where the editor’s git is off', async function () {
    if (!hasPage) this.skip();
    // The page is made anew when one comes back to it.
    await box(/\| commit · main$/);
    await click('.node', 'commit · main');
    await box(/\| commit/, '.node.selected');
    await vscode.env.clipboard.writeText('');
    await press('Enter');
    const copied = await poll(async () => (await vscode.env.clipboard.readText()) || undefined, {
      what: 'the id in the clipboard',
    });
    assert.match(copied, /^[0-9a-f]{40}$/);
    await click('.node', 'digits.csv');
  });

  it('takes what another run brings, and keeps what is selected', async function () {
    if (!hasPage) this.skip();
    await box(/^data\/digits\.csv/, '.node.selected');
    // Only what is in view is drawn.
    await click('button', 'Fit');
    await box(/\| evaluation/);
    const evaluations = async () => (await boxes()).filter((text) => text.includes('| evaluation')).length;
    const before = await evaluations();
    const file = vscode.Uri.file(join(workspaceFolder(), 'digits.mlpipe'));
    await vscode.commands.executeCommand('mlpipe.runAgain', file.toString(), 'recognise.test');
    await poll(async () => (await evaluations()) > before, { what: 'the new evaluation' });
    await box(/^data\/digits\.csv/, '.node.selected');
  });

  it('compares with a second model, and says what differs', async function () {
    if (!hasPage) this.skip();
    await trainAnother();
    await click('button', 'Compare with');
    await poll(
      async () => (await texts('.quick-input-widget .monaco-list-row')).some((text) => /recognise/.test(text)),
      {
        what: 'the models to choose from',
      },
    );
    await screenshot('lineage-choose');
    await press('Enter');
    let rows: string[] = [];
    await poll(
      async () => {
        rows = (await texts('#details tr')).map((text) => text.replaceAll(/\s+/g, ' '));
        return [/^parameters rate 0\.003 0\.004$/, /^code uncommitted none [0-9a-f]{8}…$/].every((wanted) =>
          rows.some((row) => wanted.test(row)),
        );
      },
      { what: 'the table of differences', seen: () => rows },
    );
    await click('button', 'Fit');
    await box(/\| first$/);
    await box(/\| second$/);
    await box(/\| differs · (first|second)$/);
    await pictures('lineage-compared');
  });

  it('is exported as SVG and as Mermaid', async function () {
    if (!hasPage) this.skip();
    const save = async (button: string, ending: string): Promise<string> => {
      await click('button', button);
      await poll(async () => (await texts('.quick-input-widget .quick-input-title')).includes('Export Lineage'), {
        what: 'the dialog',
      });
      // Under the name that is proposed, as soon as the dialog takes it.
      const name = await poll(
        async () => {
          await press('Enter');
          return readdirSync(workspaceFolder()).find((each) => each.startsWith('lineage-') && each.endsWith(ending));
        },
        { what: `a file that ends with ${ending}` },
      );
      const file = join(workspaceFolder(), name);
      const text = await poll(() => readFileSync(file, 'utf8') || undefined, { what: 'its text' });
      rmSync(file);
      return text;
    };
    const svg = await save('SVG', '.svg');
    assert.match(svg, /^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg"/);
    assert.match(svg, /data\/digits\.csv/);
    assert.doesNotMatch(svg, /var\(|color\(|<script/);
    assert.match(await save('Mermaid', '.mmd'), /^flowchart LR\n {2}n0\[\["recognise<br>training/);
  });

  it('ends the comparison', async function () {
    if (!hasPage) this.skip();
    await click('button', 'End Comparison');
    await poll(async () => (await texts('#title')).every((title) => !title.includes('compared')), {
      what: 'the title without the second model',
    });
    await poll(async () => (await boxes()).every((text) => !/\| (first|second)$/.test(text)), {
      what: 'the nodes without the second model',
    });
    assert.equal(await focused(), 'compare', 'the keyboard is beside the button that went');
  });
});

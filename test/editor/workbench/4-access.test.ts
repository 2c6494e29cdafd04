import assert from 'node:assert/strict';
import { join } from 'node:path';
import * as vscode from 'vscode';
import {
  boxes,
  changes,
  click,
  contrast,
  focused,
  hasPage,
  press,
  resize,
  screenshot,
  spoken,
  texts,
  wishForLessMotion,
} from '../support/page.ts';
import { poll } from '../support/poll.ts';
import { closeMessages, inTheme, mlpipe, models, THEMES, workspaceFolder } from '../support/workbench.ts';

const SIZE = { width: 1440, height: 900 };

/** Where Tab leads, one after the other, from where the keyboard is now. */
async function tabbed(presses: number, keys = 'Tab'): Promise<string[]> {
  const ways: string[] = [];
  for (let each = 0; each < presses; each += 1) {
    await press(keys);
    ways.push(await focused());
  }
  return ways;
}

const selected = async (): Promise<string> => (await texts('.node.selected'))[0] ?? '';

describe('the lineage, for who has no mouse, no eyes for it, or a large zoom', () => {
  before(async function () {
    if (!hasPage) this.skip();
    await closeMessages();
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    const api = await mlpipe();
    // The first that was trained is what the pipeline says: what is evaluated below is this one.
    const model = models(api.models.tree()).at(-1);
    assert.ok(model);
    await vscode.commands.executeCommand('mlpipe.showLineage', model);
    await poll(async () => (await texts('.nodes .node')).length > 5, { what: 'the graph' });
  });
  after(async () => {
    if (!hasPage) return;
    await resize(SIZE.width, SIZE.height);
    await wishForLessMotion('no-preference');
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  });

  it('is gone through by Tab in the order in which it is read, and back again', async () => {
    await click('.search input');
    const controls = ['compare', 'fit', 'smaller', 'larger', 'export-svg', 'export-mermaid', 'canvas'];
    assert.deepEqual(await tabbed(controls.length), controls);
    // Who comes to the drawing is at the model, and its buttons follow.
    await poll(async () => (await selected()).startsWith('recognise'), { what: 'the model to be selected' });
    assert.deepEqual(await tabbed(2), ['Open Record', 'Copy Digest']);
    assert.deepEqual(await tabbed(3, 'Shift+Tab'), ['Open Record', 'canvas', 'export-mermaid']);
  });

  it('says to a screen reader what it is, what each control does, and what each node is', async () => {
    await click('.search input');
    await press('Escape');
    assert.equal(await focused(), 'canvas');
    await press('Home');
    await poll(async () => (await selected()).startsWith('recognise'), { what: 'the model to be selected' });
    const page = await spoken('body > header');
    assert.match(page, /- heading "Lineage of recognise \(.*\)" \[level=1\]/);
    assert.match(page, /- search:\n +- searchbox "Search nodes"/);
    const group = await spoken('header .buttons');
    for (const name of ['Compare with…', 'Fit', 'Smaller', 'Larger', 'Export as SVG', 'Export as Mermaid'])
      assert.ok(group.includes(`- button "${name}"`), `${name} in\n${group}`);
    const tree = await spoken('#canvas');
    assert.match(tree, /^- 'tree "Lineage: what a model was made from/);
    assert.match(tree, /- treeitem "training recognise, accuracy .*, this is what was asked for" \[selected\]/);
    assert.match(tree, /- treeitem "data data\/digits\.csv, 1,797 rows"/);
    assert.doesNotMatch(tree, /paragraph|img/);
    assert.match(await spoken('#details'), /- complementary "Details":\n +- heading "recognise" \[level=2\]/);
  });

  it('keeps the keyboard where it is when records come in', async () => {
    await click('.search input');
    await press('Escape');
    await press('Home');
    await poll(async () => (await selected()).startsWith('recognise'), { what: 'the model to be selected' });
    await tabbed(2);
    assert.equal(await focused(), 'Copy Digest');
    await click('button', 'Fit');
    const evaluations = async () => (await texts('.nodes .node')).filter((text) => text.includes('evaluation')).length;
    await poll(evaluations, { what: 'the evaluation' });
    const before = await evaluations();
    await tabbed(7);
    assert.equal(await focused(), 'Copy Digest');
    const file = vscode.Uri.file(join(workspaceFolder(), 'digits.mlpipe'));
    await vscode.commands.executeCommand('mlpipe.runAgain', file.toString(), 'recognise.test');
    await poll(async () => (await evaluations()) > before, { what: 'the new evaluation' });
    assert.equal(await focused(), 'Copy Digest');
    await closeMessages();
  });

  it('shows where the keyboard is, in every theme', async () => {
    await click('.search input');
    for (const [name, theme] of Object.entries(THEMES)) {
      await inTheme(theme, async () => {
        await click('.search input');
        await tabbed(1);
        await screenshot(`focus-button-${name}`);
        await tabbed(6);
        await screenshot(`focus-canvas-${name}`);
      });
    }
    await inTheme(THEMES.dark ?? '', async () => undefined);
  });

  it('can be told from its ground in every theme: letters by 4.5 to 1, lines by 3 to 1', async () => {
    await click('.search input');
    await press('Escape');
    await press('Home');
    await poll(async () => (await selected()).startsWith('recognise'), { what: 'the model to be selected' });
    const wanted = [
      [4.5, '.node:not(.selected) .label', 'fill', '.node', 'fill'],
      [4.5, '.node:not(.selected) .detail', 'fill', '.node', 'fill'],
      [4.5, '.node.selected .label', 'fill', '.node', 'fill'],
      [4.5, '.node.selected .detail', 'fill', '.node', 'fill'],
      [4.5, 'h1', 'color', 'body', 'backgroundColor'],
      [4.5, '#details dt', 'color', '#details', 'backgroundColor'],
      [4.5, '#fit', 'color', '#fit', 'backgroundColor'],
      [3, '.edges path:not(.near)', 'stroke', 'body', 'backgroundColor'],
      [3, '.edges path.near', 'stroke', 'body', 'backgroundColor'],
      [3, '.node.selected .box', 'stroke', 'body', 'backgroundColor'],
    ] as const;
    const themes = [...Object.values(THEMES), 'Light Modern', 'Dark Modern', 'Default High Contrast Light'];
    const dim: string[] = [];
    for (const theme of themes) {
      await inTheme(theme, async () => {
        for (const [least, selector, property, within, ground] of wanted) {
          const found = await contrast(selector, property, within, ground);
          if (found < least) dim.push(`${theme}: ${selector} ${found.toFixed(2)}`);
        }
      });
    }
    await inTheme(THEMES.dark ?? '', async () => undefined);
    assert.deepEqual(dim, []);
  });

  it('moves in steps that the eye can follow, and at once where less motion was asked for', async () => {
    const drawing = '#canvas svg > g';
    const flights = async () => {
      await click('.search input');
      await press('Escape');
      await press('+');
      await press('+');
      return (await changes(drawing, 'transform', '0')).length;
    };
    await wishForLessMotion('no-preference');
    const moved = await flights();
    // Another theme, or a record, in the midst of it does not break it off.
    await click('.search input');
    await press('Escape');
    await press('+');
    await press('+');
    await press('0');
    await inTheme(THEMES.light ?? '', async () => undefined);
    await inTheme(THEMES.dark ?? '', async () => undefined);
    const [canvas] = await boxes('#canvas');
    assert.ok(canvas);
    for (const { left, right } of await boxes('.nodes .node .box'))
      assert.ok(left >= canvas.left && right <= canvas.right, 'all of it is in view');
    await wishForLessMotion('reduce');
    const jumped = await flights();
    assert.ok(moved > 2, `${moved} steps`);
    assert.equal(jumped, 2, 'before and after');
  });

  it('is of use at a zoom of 200 %', async () => {
    await resize(SIZE.width / 2, SIZE.height / 2);
    for (const sideBar of [true, false]) {
      if (!sideBar) await vscode.commands.executeCommand('workbench.action.closeSidebar');
      await click('.search input');
      await press('Escape');
      await press('Home');
      await poll(async () => (await selected()).startsWith('recognise'), { what: 'the model to be selected' });
      await screenshot(`zoomed${sideBar ? '-beside-the-tree' : ''}`);
      const controls = await boxes('header button, header input');
      assert.ok(controls.length >= 7);
      for (const { left, right, bottom, frame } of controls)
        assert.ok(left >= 0 && right <= frame.width && bottom <= frame.height, 'no control is cut off');
      const [canvas] = await boxes('#canvas');
      assert.ok(
        canvas && canvas.bottom - canvas.top >= 96 && canvas.bottom <= canvas.frame.height,
        'the graph has room',
      );
      const [node] = await boxes('.node.selected .box');
      assert.ok(node && node.top >= canvas.top && node.bottom <= canvas.bottom, 'what is selected is in view');
    }
    await vscode.commands.executeCommand('mlpipe.models.focus');
  });
});

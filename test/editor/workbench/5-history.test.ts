import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { TreeNode } from '../../../extension/features/models/tree-node.ts';
import { click, hasPage, press, screenshot, texts } from '../support/page.ts';
import { poll } from '../support/poll.ts';
import {
  cli,
  closeMessages,
  diagnostics,
  inEveryTheme,
  lens,
  message,
  mlpipe,
  models,
  noDiagnostics,
  open,
  showMessages,
  workspaceFolder,
} from '../support/workbench.ts';

const git = (...words: string[]) => execFileSync('git', words, { cwd: workspaceFolder(), encoding: 'utf8' });
const pipeline = () => join(workspaceFolder(), 'digits.mlpipe');

function commit(text: string, subject: string): void {
  writeFileSync(pipeline(), text);
  git('commit', '--quiet', '--all', `--message=${subject}`);
}

/** Opens the lineage of a model and, by Enter on it, its commit. */
async function opensCommit(model: TreeNode | undefined, title: RegExp): Promise<void> {
  assert.ok(model);
  await vscode.commands.executeCommand('workbench.action.closeAllEditors');
  await vscode.commands.executeCommand('mlpipe.showLineage', model);
  const commit = model.children.find(({ kind }) => kind === 'commit')?.label ?? '';
  const node = async (selector: string) => (await texts(selector)).find((text) => text.startsWith(commit));
  await poll(() => node('.nodes .node'), { what: `the commit ${commit} in the graph` });
  await vscode.env.clipboard.writeText('');
  await click('button', 'Fit');
  await click('.node', commit);
  await poll(() => node('.node.selected'), { what: 'the commit to be selected' });
  await press('Enter');
  const labels = () => vscode.window.tabGroups.all.flatMap(({ tabs }) => tabs.map(({ label }) => label));
  await poll(() => labels().some((label) => title.test(label)), { what: 'the view of changes', seen: labels });
  assert.equal(await vscode.env.clipboard.readText(), '', 'nothing had to be copied');
}

/** Shows what stands behind a place of the text, in each theme, once it says so. */
async function hoverInEveryTheme(place: vscode.Position, says: RegExp, picture: string): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  assert.ok(editor);
  await inEveryTheme(async (theme) => {
    editor.selection = new vscode.Selection(place, place);
    await vscode.commands.executeCommand('editor.action.showHover');
    await poll(async () => (await texts('.monaco-hover')).some((each) => says.test(each)), {
      what: `a hover like ${says} in the page`,
    });
    await screenshot(`${picture}-${theme}`);
    await press('Escape');
  });
}

describe('what was before, in VS Code', () => {
  before(async () => {
    await vscode.commands.executeCommand('workbench.action.closeAllEditors');
    // Earlier tests have left a step that fails.
    git('checkout', '--quiet', '--', 'digits.mlpipe');
    await closeMessages();
  });
  after(() => vscode.commands.executeCommand('workbench.action.closeAllEditors'));

  it('says on a pin who pinned it, when, and what was there before', async () => {
    const text = readFileSync(pipeline(), 'utf8');
    const pin = /sha256:[0-9a-f]{64}/.exec(text)?.[0] ?? '';
    commit(text.replace(pin, `sha256:${'0'.repeat(64)}`), 'Pin the digits of yesterday');
    commit(text, 'Pin the digits of today');
    const { document, selection } = await open('digits.mlpipe');
    assert.ok(selection);
    const place = document.positionAt(document.getText().indexOf(pin) + 3);
    const expected =
      /^Pins `sha256:\w{12}`: 1,797 rows and .* KiB, in the store\n\nPinned by \*\*Ada Lovelace\*\* just now .*\n\nCommit `\w{8}`: Pin the digits of today\n\nBefore: `sha256:0{12}`, not in the store$/;
    let last: string[] = [];
    await poll(
      async () => {
        const found = await vscode.commands.executeCommand<vscode.Hover[]>(
          'vscode.executeHoverProvider',
          document.uri,
          place,
        );
        last = found.flatMap(({ contents }) => contents.map((part) => (typeof part === 'string' ? part : part.value)));
        return last.some((each) => expected.test(each));
      },
      { what: 'the hover on the pin', seen: () => last },
    );
    if (!hasPage) return;
    await hoverInEveryTheme(place, /Ada Lovelace/, 'pin');
  });

  it('checks for decay with progress, and warns on the line of what can no longer be had', async () => {
    const { document } = await open('digits.mlpipe');
    const pin = /sha256:([0-9a-f]{2})([0-9a-f]{62})/.exec(document.getText());
    const object = join(workspaceFolder(), '.mlpipe', 'objects', pin?.[1] ?? '', pin?.[2] ?? '');
    const data = join(workspaceFolder(), 'data', 'digits.csv');
    const content = readFileSync(object);
    chmodSync(object, 0o644);
    writeFileSync(object, Buffer.concat([content, Buffer.from(' ')]));
    renameSync(data, `${data}.away`);
    await closeMessages();
    await vscode.commands.executeCommand('mlpipe.checkDecay', document.uri);
    await message(
      /\d of \d+ things that digits\.mlpipe stands on can no longer be had: data digits \(data\/digits\.csv is not there; damaged/,
    );
    const [found] = await diagnostics(document.uri, 'MLP2017');
    assert.equal(found?.severity, vscode.DiagnosticSeverity.Warning);
    assert.match(document.lineAt(found.range.start.line).text, /^ +pin /);
    assert.match(found.message, /checked 20\d\d-\d\d-\d\d \d\d:\d\d UTC/);
    if (hasPage) {
      await closeMessages();
      await hoverInEveryTheme(found.range.start, /can no longer be had/, 'decay');
    }
    writeFileSync(object, content);
    renameSync(`${data}.away`, data);
    await vscode.commands.executeCommand('mlpipe.checkDecay', document.uri);
    await noDiagnostics(document.uri, 'MLP2017');
    await closeMessages();
  });

  it('says by a lens why a step would run again, in the editor’s diff', async () => {
    const editor = await open('digits.mlpipe');
    const { document } = editor;
    const place = document.positionAt(document.getText().indexOf('3e-3'));
    await editor.edit((edit) => edit.replace(new vscode.Range(place, place.translate(0, 4)), '2e-3'));
    await document.save();
    const compare = await lens(document.uri, /^why would this rerun\?$/);
    const line = document.positionAt(document.getText().indexOf('train recognise')).line;
    editor.revealRange(new vscode.Range(line, 0, line, 0), vscode.TextEditorRevealType.InCenter);
    assert.equal(compare.command?.command, 'mlpipe.why');
    if (hasPage) await click('.codelens-decoration a', 'why would');
    else void vscode.commands.executeCommand(compare.command.command, ...(compare.command.arguments ?? []));
    const tab = await poll(
      () => {
        const input = vscode.window.tabGroups.activeTabGroup.activeTab?.input;
        return input instanceof vscode.TabInputTextDiff && input;
      },
      { what: 'the diff' },
    );
    assert.deepEqual([tab.original.scheme, tab.modified.scheme], ['mlpipe-key', 'mlpipe-key']);
    const [before, after] = await Promise.all(
      [tab.original, tab.modified].map(async (uri) => (await vscode.workspace.openTextDocument(uri)).getText()),
    );
    assert.match(before ?? '', /^ {2}on \(data:digits\) {2}1,797 rows, .* KiB, sha256:/m);
    assert.match(before ?? '', /^ {2}optimizer\.rate {2}0\.00[34]$/m);
    assert.equal(
      after,
      before?.replaceAll(/(rate {2})0\.00[34]$/gm, '$10.002').replace(/(?<=^ {2}epochs {2})2$/m, '20'),
    );
    if (hasPage) {
      await poll(async () => (await texts('.monaco-diff-editor .line-insert')).length > 0, {
        what: 'the changed lines',
      });
      await closeMessages();
      await inEveryTheme((theme) => screenshot(`why-${theme}`));
    }
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
    git('checkout', '--quiet', '--', 'digits.mlpipe');
  });

  it('shows in a run’s progress what it fetches from a remote', async () => {
    const api = await mlpipe();
    const remote = mkdtempSync(join(tmpdir(), 'mlpipe-remote-'));
    const data = join(workspaceFolder(), 'data', 'digits.csv');
    try {
      cli('remote', 'add', 'shared', remote);
      cli('push');
      // As after a clone: the data is on the remote alone.
      const { document } = await open('digits.mlpipe');
      const pin = /sha256:([0-9a-f]{2})([0-9a-f]{62})/.exec(document.getText());
      rmSync(join(workspaceFolder(), '.mlpipe', 'objects', pin?.[1] ?? '', pin?.[2] ?? ''));
      renameSync(data, `${data}.away`);
      await closeMessages();
      const answer = vscode.commands.executeCommand('mlpipe.runAgain', document.uri.toString(), 'recognise');
      const running = await poll(() => api.runs.all.find(({ told }) => told !== undefined), {
        what: 'what was fetched',
        seen: () => api.runs.all,
      });
      assert.match(running.told ?? '', /^fetched 1 object \(\d+ KiB\) from shared$/);
      await message(/fetched 1 object \(\d+ KiB\) from shared/);
      if (hasPage) {
        await showMessages();
        await inEveryTheme((theme) => screenshot(`fetched-${theme}`));
      }
      await vscode.commands.executeCommand('mlpipe.cancelRun');
      await answer;
    } finally {
      if (existsSync(`${data}.away`)) renameSync(`${data}.away`, data);
      rmSync(join(workspaceFolder(), 'mlpipe.json'), { force: true });
      rmSync(remote, { recursive: true, force: true });
    }
    await closeMessages();
  });

  it('opens the commit behind a model in the editor’s own view of changes', async function () {
    if (!hasPage) this.skip();
    const settings = vscode.workspace.getConfiguration('git');
    await settings.update('enabled', true, vscode.ConfigurationTarget.Global);
    try {
      const extension = vscode.extensions.getExtension('vscode.git');
      await extension?.activate();
      await poll(() => extension?.exports.enabled && extension.exports.getAPI(1).state === 'initialized', {
        what: 'the editor’s git',
        seen: () => [extension?.id, extension?.isActive, extension?.exports],
      });
      const api = await mlpipe();
      // The newest run is of a commit with another before it, the oldest of the first.
      const [newest, oldest] = [models(api.models.tree())[0], models(api.models.tree()).at(-1)];
      await opensCommit(newest, /^[0-9a-f]{7,8} .*Pin the digits of today/);
      await opensCommit(oldest, /^[0-9a-f]{7,8} .*Recognise digits/);
      await poll(async () => (await texts('.multiDiffEntry')).some((text) => /digits/.test(text)), {
        what: 'the changed files',
      });
      await inEveryTheme((theme) => screenshot(`commit-${theme}`));
    } finally {
      await settings.update('enabled', undefined, vscode.ConfigurationTarget.Global);
    }
  });
});

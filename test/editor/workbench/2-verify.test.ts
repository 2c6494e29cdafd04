import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { TreeNode } from '../../../extension/features/models/tree-node.ts';
import { click, hasPage, hover, screenshot } from '../support/page.ts';
import { poll } from '../support/poll.ts';
import {
  cli,
  closeMessages,
  inEveryTheme,
  message,
  newestModel,
  showMessages,
  workspaceFolder,
} from '../support/workbench.ts';

async function verification(): Promise<TreeNode> {
  const found = (await newestModel()).children.find(({ kind }) => kind === 'verification');
  assert.ok(found);
  return found;
}

async function pictures(name: string): Promise<void> {
  if (hasPage) await inEveryTheme((theme) => screenshot(`${name}-${theme}`));
}

/** Chooses what a message offers; on a desktop, where no button can be reached, by what it does. */
async function choose(button: string, command: string, ...words: unknown[]): Promise<void> {
  if (!hasPage) {
    await vscode.commands.executeCommand(command, ...words);
    return;
  }
  await showMessages();
  await click('.notifications-center .monaco-button', button);
}

describe('verifying and repairing in VS Code', () => {
  /** A file of the model, in the store. */
  let path: string;
  let content: Buffer;
  const write = (bytes: Buffer) => {
    if (existsSync(path)) chmodSync(path, 0o644);
    writeFileSync(path, bytes);
  };
  const flip = () => write(Buffer.concat([content.subarray(0, -1), Buffer.from([(content.at(-1) ?? 0) ^ 1])]));

  before(async () => {
    await closeMessages();
    const { digest = '' } = await newestModel();
    const at = (of: string) => join(workspaceFolder(), '.mlpipe', 'objects', of.slice(7, 9), of.slice(9));
    const [file] = JSON.parse(readFileSync(at(digest), 'utf8')).entries;
    path = at(file.digest);
    content = readFileSync(path);
  });
  afterEach(() => closeMessages());

  it('verifies a model by a click: whole, and after a flipped bit not, with what is wrong and what to do', async () => {
    await vscode.commands.executeCommand('mlpipe.verify', await newestModel());
    await message(/recognise is whole: \d+ objects, \d+ records and \d+ signatures are as they were written\./);
    assert.match((await newestModel()).description, /verified: whole/);
    await closeMessages();
    await pictures('verified');
    flip();
    await vscode.commands.executeCommand('mlpipe.verify', await newestModel());
    await message(
      /recognise is not whole\. recognise\.model\/.* is not what its digest says\. Repair it from a remote/,
    );
    assert.equal((await newestModel()).icon, 'error');
    const { label, children } = await verification();
    assert.equal(label, 'not whole: 1 problem');
    assert.match(children[0]?.label ?? '', /^recognise\.model\/.* is not what its digest says\.$/);
    if (hasPage) await showMessages();
    await pictures('not-whole');
  });

  it('repairs it by the button of the message, from a remote, and says which; then it is whole', async () => {
    const remote = mkdtempSync(join(tmpdir(), 'mlpipe-remote-'));
    try {
      write(content);
      cli('remote', 'add', 'shared', remote);
      cli('push');
      flip();
      await vscode.commands.executeCommand('mlpipe.verify', await newestModel());
      await message(/recognise is not whole/);
      await choose('Repair', 'mlpipe.repair', await verification());
      await message(/recognise is whole again\. Brought back 1 object from shared\./);
      assert.equal((await verification()).label, 'verified: whole');
      assert.match((await newestModel()).description, /verified: whole/);
      assert.deepEqual(readFileSync(path), content);
      if (hasPage) await showMessages();
      await pictures('repaired');
    } finally {
      rmSync(remote, { recursive: true, force: true });
    }
  });

  it('asks before it sets aside what no remote has, and says what is left to do', async () => {
    flip();
    await vscode.commands.executeCommand('mlpipe.verify', await newestModel());
    await message(/recognise is not whole/);
    await closeMessages();
    if (hasPage) {
      await hover('.pane-body .monaco-list-row', 'not whole: 1 problem');
      await screenshot('repair-in-tree');
      await click('.pane-body .monaco-list-row a.action-label[aria-label^="Repair Model"]');
    } else await vscode.commands.executeCommand('mlpipe.repair', await verification());
    await message(/The remote shared could not be asked: .* or set the damaged object aside, into \.mlpipe\/damaged/);
    assert.notDeepEqual(readFileSync(path), content);
    if (hasPage) await showMessages();
    await pictures('repair-left');
    if (!hasPage) return;
    await choose('Set Aside', '');
    await message(/Set aside 1 damaged object; the files lie in \.mlpipe\/damaged\./);
    await poll(() => !existsSync(path), { what: 'the damaged object to be gone' });
    assert.match((await verification()).children[0]?.label ?? '', /is not in the store\.$/);
    await showMessages();
    await screenshot('repair-set-aside');
  });

  after(async () => {
    write(content);
    rmSync(join(workspaceFolder(), 'mlpipe.json'), { force: true });
    await vscode.commands.executeCommand('mlpipe.verify', await newestModel());
    await message(/recognise is whole/);
    await closeMessages();
  });
});

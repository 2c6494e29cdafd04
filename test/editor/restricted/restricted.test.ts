import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { hasPage, screenshot, texts } from '../support/page.ts';
import { poll } from '../support/poll.ts';
import { message, misspell, mlpipe, open, workspaceFolder } from '../support/workbench.ts';

describe('in a workspace that is not trusted', () => {
  it('still checks what is typed', async () => {
    assert.equal(vscode.workspace.isTrusted, false);
    await mlpipe();
    await misspell();
  });

  it('refuses to run, says why, and starts no runtime', async () => {
    const { runtime, runs } = await mlpipe();
    const { document } = await open('digits.mlpipe');
    for (const command of ['mlpipe.run', 'mlpipe.runAgain']) {
      const answer = await vscode.commands.executeCommand(command, document.uri.toString(), 'recognise');
      assert.equal(answer, undefined);
    }
    await message(/Running recognise is off in Restricted Mode.*Trust the workspace/);
    assert.equal(runtime.state.kind, 'stopped');
    assert.deepEqual(runs.all, []);
  });

  it('reads no record', async () => {
    const { document } = await open('digits.mlpipe');
    await vscode.commands.executeCommand('mlpipe.showRecord', document.uri.toString(), 'sha256:0');
    await message(/Reading records is off in Restricted Mode/);
    await vscode.commands.executeCommand('mlpipe.showLineage', document.uri.toString(), 'sha256:0');
    await message(/Showing a lineage is off in Restricted Mode/);
    const { runtime } = await mlpipe();
    assert.equal(runtime.state.kind, 'stopped');
  });

  it('verifies, repairs, compares and checks nothing, and asks nobody who wrote a pin', async () => {
    const { document } = await open('digits.mlpipe');
    const folder = workspaceFolder();
    await vscode.commands.executeCommand('mlpipe.verify', { folder, record: 'sha256:0', label: 'recognise' });
    await message(/Verifying recognise is off in Restricted Mode/);
    await vscode.commands.executeCommand('mlpipe.repair', { folder, record: 'sha256:0', label: 'recognise' });
    await message(/Repairing recognise is off in Restricted Mode/);
    await vscode.commands.executeCommand('mlpipe.checkDecay', document.uri);
    await message(/Checking for decay is off in Restricted Mode/);
    await vscode.commands.executeCommand('mlpipe.why', document.uri.toString(), 'recognise');
    await message(/Comparing runs is off in Restricted Mode/);
    const place = document.positionAt(document.getText().indexOf('sha256:') + 3);
    const hovers = await vscode.commands.executeCommand<vscode.Hover[]>(
      'vscode.executeHoverProvider',
      document.uri,
      place,
    );
    assert.doesNotMatch(JSON.stringify(hovers), /Pinned by|committed/);
    const { runtime } = await mlpipe();
    assert.equal(runtime.state.kind, 'stopped');
  });

  it('says in the view what trust would allow', async () => {
    await vscode.commands.executeCommand('mlpipe.models.focus');
    if (!hasPage) return;
    await poll(async () => (await texts('.welcome-view-content')).some((text) => /not trusted/.test(text)), {
      what: 'the welcome of a workspace that is not trusted',
    });
    await screenshot('restricted');
  });
});

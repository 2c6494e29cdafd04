import assert from 'node:assert/strict';
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { Running } from '../../../extension/infrastructure/running.ts';
import { click, hasPage, screenshot } from '../support/page.ts';
import { poll } from '../support/poll.ts';
import { closeMessages, message, mlpipe, models, open, showMessages, workspaceFolder } from '../support/workbench.ts';

/** Starts a training that cannot be taken from what is stored, and waits until it is in the midst of it. */
async function startTraining(): Promise<{ running: Running; answer: Thenable<unknown> }> {
  const api = await mlpipe();
  const { document } = await open('digits.mlpipe');
  const answer = vscode.commands.executeCommand('mlpipe.runAgain', document.uri.toString(), 'recognise');
  const running = await poll(
    () =>
      api.runs.all.find(({ current }) => [...current.values()].some(({ progress }) => progress?.epoch !== undefined)),
    { what: 'a run in the midst of training', seen: () => api.runs.all },
  );
  return { running, answer };
}

describe('when something goes wrong in VS Code', () => {
  beforeEach(() => closeMessages());

  it('cancels a run by the button of its progress, and leaves no model of it', async () => {
    const api = await mlpipe();
    const before = models(api.models.tree()).length;
    const { answer } = await startTraining();
    if (hasPage) {
      await showMessages();
      await click('.notifications-center .monaco-button', 'Cancel');
    } else await vscode.commands.executeCommand('mlpipe.cancelRun');
    await answer;
    assert.deepEqual(api.runs.all, []);
    await message(/cancelled/);
    await api.models.refresh();
    const done = models(api.models.tree()).filter(({ icon }) => icon.startsWith('pass'));
    assert.ok(done.length <= before);
  });

  it('reports a runtime that is killed in the midst of a run, starts it again, and runs again', async () => {
    const api = await mlpipe();
    const { answer } = await startTraining();
    assert.ok(api.runtime.state.kind === 'ready');
    const { pid } = api.runtime.state.hello;
    process.kill(pid, 'SIGKILL');
    await answer;
    await message(/runtime was ended by SIGKILL.*started again/);
    assert.deepEqual(api.runs.all, [], 'nothing is said to run any more');
    assert.ok(!api.models.tree().some(({ children }) => children.some(({ kind }) => kind === 'running')));
    await screenshot('killed');
    await poll(() => api.runtime.state.kind === 'ready', { what: 'the next runtime', seen: () => api.runtime.state });
    assert.notEqual(api.runtime.state.hello.pid, pid);

    await closeMessages();
    const { document } = await open('digits.mlpipe');
    await vscode.commands.executeCommand('mlpipe.run', document.uri);
    await message(/digits\.mlpipe is (done|up to date)/);
  });

  it('says which step failed, why and what to do', async () => {
    appendFileSync(join(workspaceFolder(), 'digits.mlpipe'), '\nstep broken {\n  run  "exit 3"\n}\n');
    const { document } = await open('digits.mlpipe');
    await poll(() => document.getText().includes('step broken'), { what: 'the changed file' });
    await vscode.commands.executeCommand('mlpipe.run', document.uri.toString(), 'broken');
    await message(/broken failed: .*3/);
    await screenshot('failed');
  });

  it('has a language server again after it was restarted', async () => {
    const { language } = await mlpipe();
    await vscode.commands.executeCommand('mlpipe.restartLanguageServer');
    assert.equal(language.state.kind, 'ready');
  });
});

import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { click, hasPage, hover, press, screenshot, texts, widenSideBar } from '../support/page.ts';
import { poll } from '../support/poll.ts';
import {
  closeMessages,
  diagnostics,
  inEveryTheme,
  inTheme,
  lens,
  message,
  mlpipe,
  models,
  newestModel,
  noDiagnostics,
  open,
  showMessages,
  THEMES,
} from '../support/workbench.ts';

describe('training in VS Code', () => {
  it('says in the empty view what to do first', async () => {
    await vscode.commands.executeCommand('mlpipe.models.focus');
    const { runtime } = await mlpipe();
    await poll(() => runtime.state.kind === 'ready', { what: 'the runtime', seen: () => runtime.state });
    if (!hasPage) return;
    await poll(
      async () => (await texts('.welcome-view-content')).some((text) => /No model has been trained/.test(text)),
      {
        what: 'the welcome of the empty view',
      },
    );
    await screenshot('empty');
  });

  it('trains by a click on ▶ Train, and shows the progress with its metrics', async () => {
    const api = await mlpipe();
    const editor = await open('digits.mlpipe');
    const { document } = editor;
    const line = document.positionAt(document.getText().indexOf('train recognise')).line;
    editor.revealRange(new vscode.Range(line, 0, line, 0), vscode.TextEditorRevealType.InCenter);
    const train = await lens(document.uri, /Train/);
    assert.equal(train.command?.command, 'mlpipe.run');
    if (hasPage) await click('.codelens-decoration a', 'Train');
    else void vscode.commands.executeCommand(train.command.command, ...(train.command.arguments ?? []));

    const running = await poll(() => api.runs.all[0], { what: 'the run' });
    await poll(() => [...running.current.values()].some(({ progress }) => (progress?.epoch ?? 0) >= 2), {
      what: 'the second epoch',
      seen: () => running,
    });
    await poll(() => api.models.tree().some(({ children }) => children[0]?.kind === 'running'), {
      what: 'the run in the tree',
      seen: () => api.models.tree(),
    });
    await lens(document.uri, /Cancel/);
    if (hasPage) {
      await showMessages();
      await screenshot('training');
    }
    await poll(() => api.runs.all.length === 0, { what: 'the end of the run', seen: () => api.runs.all, seconds: 150 });
    await message(/recognise is done in .*accuracy \d+\.\d %/);
  });

  it('shows the finished model with what stands behind it', async () => {
    const api = await mlpipe();
    const model = await poll(() => models(api.models.tree())[0], {
      what: 'the model in the tree',
      seen: () => api.models.tree(),
    });
    assert.equal(model.label, 'recognise');
    assert.match(model.description, /accuracy \d+\.\d % · just now/);
    const kinds = model.children.map(({ kind }) => kind);
    for (const kind of ['data', 'commit', 'environment', 'who'])
      assert.ok(
        kinds.some((found) => found === kind),
        kind,
      );
    const data = model.children.find(({ kind }) => kind === 'data');
    assert.match(data?.description ?? '', /^1,797 rows · data\/digits\.csv$/);
    assert.match(data?.digest ?? '', /^sha256:[0-9a-f]{64}$/);
  });

  it('has evaluated what it trained, so that the whole pipeline is up to date', async () => {
    const api = await mlpipe();
    const { document } = await open('digits.mlpipe');
    await poll(() => models(api.models.tree())[0]?.children.some(({ kind }) => kind === 'gate'), {
      what: 'the gates of the model',
      seen: () => api.models.tree(),
    });
    await closeMessages();
    await vscode.commands.executeCommand('mlpipe.run', document.uri);
    await message(/digits\.mlpipe is up to date/);
    if (!hasPage) return;
    await poll(async () => (await texts('.codelens-decoration')).every((text) => !text.includes('Cancel')), {
      what: 'the lenses to offer ▶ again',
    });
  });

  it('looks well in every theme', async () => {
    await closeMessages();
    const model = await newestModel();
    const { document } = await open('digits.mlpipe');
    await vscode.commands.executeCommand('mlpipe.showModel', document.uri.toString(), model.record);
    if (!hasPage) return;
    await poll(async () => (await texts('.pane-body .monaco-list-row')).some((text) => /1,797 rows/.test(text)), {
      what: 'the lineage in the view',
    });
    await widenSideBar(430);
    await inEveryTheme((theme) => screenshot(`models-${theme}`));
    await hover('.pane-body .monaco-list-row', 'recognise');
    await poll(async () => (await texts('.monaco-hover')).some((text) => /Record/.test(text)), { what: 'the tooltip' });
    await screenshot('tooltip');
    await press('Escape');
  });

  it('shows all of it at once: data that is not pinned, ▶, and the model', async () => {
    if (!hasPage) return;
    const editor = await open('digits.mlpipe');
    const { document } = editor;
    const pin = document.positionAt(document.getText().indexOf('  pin ')).line;
    const pinned = document.getText(new vscode.Range(pin, 0, pin + 1, 0));
    await editor.edit((edit) => edit.delete(new vscode.Range(pin, 0, pin + 1, 0)));
    await diagnostics(document.uri, 'MLP2001');
    const data = document.positionAt(document.getText().indexOf('data digits')).line;
    editor.selection = new vscode.Selection(data, 0, data, 0);
    editor.revealRange(new vscode.Range(data, 0, data, 0), vscode.TextEditorRevealType.AtTop);
    await poll(async () => (await texts('.squiggly-error')).length > 0, { what: 'the underlined source' });
    await closeMessages();
    await inTheme(THEMES.dark ?? '', () => screenshot('overview'));
    // The editor may have saved it by itself in the meantime.
    await editor.edit((edit) => edit.insert(new vscode.Position(pin, 0), pinned));
    await document.save();
    await noDiagnostics(document.uri, 'MLP2001');
  });

  it('makes a model again by a click, and shows the verdict with its age', async () => {
    const api = await mlpipe();
    await closeMessages();
    await vscode.commands.executeCommand('mlpipe.reproduce', await newestModel());
    await message(/recognise made again: bitwise, the model has the same bits\./);
    const badge = await poll(() => models(api.models.tree())[0]?.children.find(({ kind }) => kind === 'verdict'), {
      what: 'the verdict in the tree',
      seen: () => api.models.tree(),
    });
    assert.match(
      `${badge.label} | ${badge.description}`,
      /^reproduced: bitwise \| just now · the model has the same bits$/,
    );
    if (!hasPage) return;
    await closeMessages();
    await vscode.commands.executeCommand('mlpipe.models.focus');
    await inEveryTheme((theme) => screenshot(`verdict-${theme}`));
  });

  it('opens the record as a read-only document', async () => {
    const model = await newestModel();
    await vscode.commands.executeCommand('mlpipe.showRecord', model);
    const document = vscode.window.activeTextEditor?.document;
    assert.equal(document?.uri.scheme, 'mlpipe-record');
    assert.equal(document.languageId, 'json');
    const record = JSON.parse(document.getText());
    assert.equal(record.step, 'recognise');
    assert.equal(record.outputs.model.digest, model.digest);
    await screenshot('record');
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });

  it('copies a digest and opens the data file of a model', async () => {
    const api = await mlpipe();
    const data = models(api.models.tree())[0]?.children.find(({ kind }) => kind === 'data');
    assert.ok(data);
    await vscode.commands.executeCommand('mlpipe.copyDigest', data);
    assert.equal(await vscode.env.clipboard.readText(), data.digest);
    await vscode.commands.executeCommand('mlpipe.openData', data);
    await poll(() => vscode.window.activeTextEditor?.document.uri.fsPath.endsWith('digits.csv'), {
      what: 'the data file',
    });
    await vscode.commands.executeCommand('workbench.action.closeActiveEditor');
  });

  it('offers its commands as tasks', async () => {
    const tasks = await vscode.tasks.fetchTasks({ type: 'mlpipe' });
    const names = tasks.map(({ name }) => name);
    assert.ok(names.includes('run digits.mlpipe') && names.includes('check digits.mlpipe'), names.join(', '));
  });
});

import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { poll } from '../support/poll.ts';
import { codeOf, EXTENSION, message, mlpipe, models, open } from '../support/workbench.ts';

describe('the packed extension, installed', () => {
  it('is the installed one, and activates', async () => {
    const extension = vscode.extensions.getExtension(EXTENSION);
    assert.ok(extension);
    assert.match(extension.extensionPath, /extensions[\\/]mlpipe\.mlpipe-/);
    await mlpipe();
    assert.equal(extension.isActive, true);
  });

  it('finds what is wrong in a pipeline', async () => {
    const { document } = await open('digits.mlpipe');
    const edit = new vscode.WorkspaceEdit();
    const at = document.getText().indexOf('maxPool2d');
    edit.replace(document.uri, new vscode.Range(document.positionAt(at), document.positionAt(at + 9)), 'maxPol2d');
    await vscode.workspace.applyEdit(edit);
    await poll(() => vscode.languages.getDiagnostics(document.uri).some((found) => codeOf(found).startsWith('MLP1')), {
      what: 'a diagnostic of the language',
      seen: () => vscode.languages.getDiagnostics(document.uri),
    });
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('trains with its own runtime, its own native module and its own kernels', async () => {
    const api = await mlpipe();
    await poll(() => api.runtime.state.kind === 'ready', { what: 'the runtime', seen: () => api.runtime.state });
    const { document } = await open('digits.mlpipe');
    await vscode.commands.executeCommand('mlpipe.run', document.uri);
    await message(/digits is done/);
    await poll(() => models(api.models.tree())[0], { what: 'the model in the tree', seen: () => api.models.tree() });
  });
});

import assert from 'node:assert/strict';
import * as vscode from 'vscode';
import { screenshot } from '../support/page.ts';

describe('the extension in VS Code', () => {
  it('is there and activates', async () => {
    const extension = vscode.extensions.getExtension('mlpipe.mlpipe');
    assert.ok(extension, 'VS Code knows the extension');
    await extension.activate();
    assert.equal(extension.isActive, true);
    await screenshot('activation');
  });
});

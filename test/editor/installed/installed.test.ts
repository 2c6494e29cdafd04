import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import * as vscode from 'vscode';
import { poll } from '../support/poll.ts';
import { EXTENSION, message, misspell, mlpipe, models, open } from '../support/workbench.ts';

describe('the packed extension, installed', () => {
  it('is the installed one, and activates', async () => {
    const extension = vscode.extensions.getExtension(EXTENSION);
    assert.ok(extension);
    assert.match(extension.extensionPath, /extensions[\\/]mlpipe\.mlpipe-/);
    await mlpipe();
    assert.equal(extension.isActive, true);
  });

  it('holds what it needs, and nothing else', () => {
    const extension = vscode.extensions.getExtension(EXTENSION);
    assert.ok(extension);
    const files = readdirSync(extension.extensionPath, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => relative(extension.extensionPath, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
      .sort();
    const native = 'dist/node_modules/better-sqlite3';
    const allowed = [
      /^\.vsixmanifest$/,
      /^(package|package\.nls|language-configuration)\.json$/,
      /^(readme|changelog)\.md$/i,
      /^license(\.txt)?$/i,
      /^grammar\/syntaxes\/mlpipe\.tmLanguage\.json$/,
      /^media\/[\w-]+\.(png|svg)$/,
      /^media\/walkthrough\/\w+\.svg$/,
      /^dist\/(extension|server|language-server|cli|worker|facts-worker|store-worker|verify-worker|remote-s3)\.cjs$/,
      /^dist\/pages\/lineage-page\.(js|css)$/,
      /^dist\/tfjs-backend-wasm(-simd)?\.wasm$/,
      /^dist\/tensorflow\/source\/(addon|binding|node-api)\/[\w/]+\.(cc|h|inc)$/,
      /^dist\/tensorflow\/mlpipe-tensorflow-\w+-\w+\.node$/,
      new RegExp(`^${native}/(package\\.json|license)$`, 'i'),
      new RegExp(`^${native}/lib/[\\w/-]+\\.js$`),
      new RegExp(`^${native}/prebuilds/\\w+-\\w+\\.node$`),
    ];
    assert.deepEqual(
      files.filter((file) => !allowed.some((pattern) => pattern.test(file))),
      [],
    );
    for (const platform of ['linux-x64', 'linux-arm64', 'linuxmusl-x64', 'darwin-arm64', 'darwin-x64', 'win32-x64']) {
      assert.ok(files.includes(`${native}/prebuilds/${platform}.node`), platform);
    }
  });

  it('finds what is wrong in a pipeline', async () => {
    await misspell();
    await vscode.commands.executeCommand('workbench.action.files.revert');
  });

  it('trains with its own runtime, its own native module and its own kernels', async () => {
    const api = await mlpipe();
    await poll(() => api.runtime.state.kind === 'ready', { what: 'the runtime', seen: () => api.runtime.state });
    const { document } = await open('digits.mlpipe');
    await vscode.commands.executeCommand('mlpipe.run', document.uri);
    await message(/digits\.mlpipe is done/);
    await poll(() => models(api.models.tree())[0], { what: 'the model in the tree', seen: () => api.models.tree() });
  });
});

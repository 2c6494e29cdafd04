import assert from 'node:assert/strict';
import { mkdtemp, realpath, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FileChangeType } from 'vscode-languageserver-protocol';
import { Client } from './client.ts';
import { manyLines, SAMPLE } from './sample.ts';

describe('the language server goes on', () => {
  let client: Client;
  let folder: string;

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'mlpipe-robust-')));
    client = await Client.start({ folders: [pathToFileURL(folder).toString()] });
  });

  after(async () => {
    client.kill();
    await rm(folder, { recursive: true, force: true });
  });

  const uriOf = (name: string) => pathToFileURL(join(folder, name)).toString();
  const symbols = (uri: string) =>
    client.request<unknown[] | null>('textDocument/documentSymbol', { textDocument: { uri } });
  const changed = (...events: [name: string, type: FileChangeType][]) =>
    client.notify('workspace/didChangeWatchedFiles', {
      changes: events.map(([name, type]) => ({ uri: uriOf(name), type })),
    });

  /** Everything that an editor asks of an open document. */
  async function askEverything(uri: string): Promise<void> {
    const textDocument = { uri };
    const position = { line: 3, character: 4 };
    const range = { start: { line: 0, character: 0 }, end: { line: 5, character: 0 } };
    const options = { tabSize: 2, insertSpaces: true };
    for (const [method, more] of [
      ['hover', { position }],
      ['completion', { position }],
      ['definition', { position }],
      ['references', { position, context: { includeDeclaration: true } }],
      ['documentHighlight', { position }],
      ['documentSymbol', {}],
      ['foldingRange', {}],
      ['selectionRange', { positions: [position] }],
      ['formatting', { options }],
      ['rangeFormatting', { options, range }],
      ['codeAction', { range, context: { diagnostics: [] } }],
      ['codeLens', {}],
      ['inlayHint', { range }],
      ['semanticTokens/full', {}],
      ['signatureHelp', { position }],
      ['documentLink', {}],
    ] as const) {
      await client.request(`textDocument/${method}`, { textDocument, ...more });
    }
  }

  for (const uri of [
    'untitled:Untitled-1',
    'vscode-remote://wsl/projects/b.mlpipe',
    'file:///outside/of/it.mlpipe',
    'file:///with%20space/%C3%A4.mlpipe',
  ]) {
    it(`in ${uri}`, async () => {
      await client.open(uri, SAMPLE);
      await client.diagnostics(uri);
      await askEverything(uri);
      assert.equal((await symbols(uri))?.length, 10);
      await client.close(uri);
      await client.diagnostics(uri, ({ diagnostics }) => diagnostics.length === 0);
    });
  }

  for (const [what, text] of [
    [
      'binary garbage',
      Array.from({ length: 4000 }, (_, index) => String.fromCharCode((index * 7919) % 65_536)).join(''),
    ],
    ['nothing but brackets', '({['.repeat(5000)],
    ['one line of half a megabyte', `data d { from "${'x'.repeat(500_000)}" }`],
    ['carriage returns alone', SAMPLE.replaceAll('\n', '\r')],
    ['nothing', ''],
  ] as const) {
    it(`in a file of ${what}`, async () => {
      const uri = uriOf('garbage.mlpipe');
      await client.open(uri, text);
      await client.diagnostics(uri);
      await askEverything(uri);
      await client.close(uri);
    });
  }

  it('in a file of 10,000 lines', async () => {
    const uri = uriOf('long.mlpipe');
    await client.open(uri, manyLines(10_000));
    await client.diagnostics(uri);
    await askEverything(uri);
    await client.close(uri);
  });

  it('when a file comes, is renamed and goes', async () => {
    const user = uriOf('user.mlpipe');
    await client.open(user, 'import cpu from "./shared.mlpipe"\n\ntrain t {\n  in cpu\n}\n');
    const isBroken = () =>
      client.diagnostics(user, ({ diagnostics }) =>
        diagnostics.some(({ severity, range }) => severity === 1 && range.start.line === 0),
      );
    const isWhole = () =>
      client.diagnostics(
        user,
        ({ diagnostics }) => !diagnostics.some(({ severity, range }) => severity === 1 && range.start.line === 0),
      );
    await isBroken();
    await writeFile(join(folder, 'shared.mlpipe'), 'environment cpu {\n  engine wasm "4.22.0"\n}\n');
    await changed(['shared.mlpipe', FileChangeType.Created]);
    await isWhole();
    await rename(join(folder, 'shared.mlpipe'), join(folder, 'other.mlpipe'));
    await changed(['shared.mlpipe', FileChangeType.Deleted], ['other.mlpipe', FileChangeType.Created]);
    await isBroken();
    await rename(join(folder, 'other.mlpipe'), join(folder, 'shared.mlpipe'));
    await changed(['other.mlpipe', FileChangeType.Deleted], ['shared.mlpipe', FileChangeType.Created]);
    await isWhole();
    // News of a file that is gone again by the time it is read.
    await rm(join(folder, 'shared.mlpipe'));
    await changed(['shared.mlpipe', FileChangeType.Changed]);
    await isBroken();
    await client.close(user);
  });

  it('when the file of an open document is deleted', async () => {
    const uri = uriOf('open.mlpipe');
    await client.open(uri, SAMPLE);
    await client.diagnostics(uri);
    await changed(['open.mlpipe', FileChangeType.Deleted]);
    assert.equal((await symbols(uri))?.length, 10);
    await client.close(uri);
  });

  it('and answers what was asked while a document went', async () => {
    const uri = uriOf('going.mlpipe');
    await client.open(uri, SAMPLE);
    await client.diagnostics(uri);
    void client.close(uri);
    // Waits for the whole workspace, in which nothing is left to build.
    const answers = [1, 2, 3, 4, 5].map(() => client.request('workspace/symbol', { query: 'recognise' }));
    assert.equal((await Promise.all(answers)).length, 5);
  });

  it('without having logged a failure', () => assert.deepEqual(client.log, []));
});

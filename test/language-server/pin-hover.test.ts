/** What an editor is told when somebody points at a pin. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import type { Hover } from 'vscode-languageserver-protocol';
import * as api from '../../runtime/api.ts';
import { Client } from './client.ts';
import { positionOf } from './sample.ts';

const text = (digest: string) => `pipeline p\n\ndata rows {\n  from  "rows.csv"\n  pin   ${digest}\n}\n`;

describe('a hover on a pin', function () {
  this.timeout(30_000);
  let folder: string;
  let uri: string;
  let client: Client;
  let digests: string[];
  const git = (...words: string[]) => execFileSync('git', words, { cwd: folder, stdio: 'ignore' });

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'mlpipe-pin-hover-')));
    uri = pathToFileURL(join(folder, 'a.mlpipe')).toString();
    git('init', '--quiet');
    git('config', 'user.name', '*Ada* <b>[x](http://x)');
    git('config', 'user.email', 'ada@example.org');
    digests = await api.withProject(folder, async ({ store }) => {
      const found: string[] = [];
      for (const rows of ['x\n1\n', 'x\n1\n2\n']) {
        await writeFile(join(folder, 'rows.csv'), rows);
        found.push((await store.put(join(folder, 'rows.csv'))).digest);
      }
      return found;
    });
    for (const [index, digest] of digests.entries()) {
      await writeFile(join(folder, 'a.mlpipe'), text(digest));
      git('add', 'a.mlpipe');
      git('commit', '--quiet', `--message=Pin number ${index}`);
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));
  afterEach(() => client.kill());

  const start = async (content: string, trusted = true) => {
    client = await Client.start({
      folders: [pathToFileURL(folder).toString()],
      initializationOptions: { trusted },
    });
    await client.open(uri, content);
  };
  const hover = async (content: string, needle: string) => {
    const position = positionOf(content, needle, 2);
    const answer = await client.request<Hover | null>('textDocument/hover', { textDocument: { uri }, position });
    return answer === null ? '' : (answer.contents as { value: string }).value;
  };

  it('says who, when, in which commit, and what was there before with its size', async () => {
    const [first = '', second = ''] = digests;
    await start(text(second));
    const said = await hover(text(second), 'sha256');
    assert.match(said, new RegExp(`^Pins \`${second.slice(0, 19)}\`: 6 bytes, in the store`));
    assert.match(said, /Pinned by \*\*.*Ada.*\*\* just now \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\)/);
    assert.match(said, /Commit `[0-9a-f]{8}`: Pin number 1/);
    assert.match(said, new RegExp(`Before: \`${first.slice(0, 19)}\`, 4 bytes, in the store$`));
    assert.equal(await hover(text(second), 'pin '), said, 'the word before it says the same');
  });

  it('takes names for text, whatever they are', async () => {
    await start(text(digests[1] ?? ''));
    assert.doesNotMatch(await hover(text(digests[1] ?? ''), 'sha256'), /(?<!\\)[<[]|\*\*\*/);
  });

  it('says that a pin is not committed while it is only typed', async () => {
    const typed = text(`sha256:${'e'.repeat(64)}`);
    await start(typed);
    const said = await hover(typed, 'sha256');
    assert.match(said, /not in the store\n\nThis pin is not committed yet\. In the last commit: `sha256:/);
  });

  it('asks nobody in a folder that is not trusted', async () => {
    await start(text(digests[1] ?? ''), false);
    assert.equal(await hover(text(digests[1] ?? ''), 'sha256'), '');
  });

  it('answers a question that was taken back, and the next one', async () => {
    const content = text(digests[1] ?? '');
    await start(content);
    const position = positionOf(content, 'sha256', 2);
    // As an editor does whose pointer went on: the question and, at once, that it does not matter any more.
    const source = new CancellationTokenSource();
    const asked = client.connection.sendRequest(
      'textDocument/hover',
      { textDocument: { uri }, position },
      source.token,
    );
    source.cancel();
    await asked.catch(() => undefined);
    assert.match(await hover(content, 'sha256'), /Pinned by/);
  });
});

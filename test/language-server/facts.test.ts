import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, realpath, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { CodeAction, CodeLens, Hover } from 'vscode-languageserver-protocol';
import * as api from '../../runtime/api.ts';
import { Client } from './client.ts';
import { applied, positionOf } from './sample.ts';

const TEXT = `pipeline p

data d {
  from  "data/a.csv"
  schema {
    x  float
    y  class(2)
  }
}
`;

describe('what the world says', () => {
  let folder: string;
  let uri: string;
  let client: Client;

  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'mlpipe-facts-')));
    await mkdir(join(folder, 'data'));
    await writeFile(join(folder, 'data', 'a.csv'), 'x,y\n1,0\n2,1\n3,0\n');
    uri = pathToFileURL(join(folder, 'a.mlpipe')).toString();
    client = await Client.start({ folders: [pathToFileURL(folder).toString()] });
  });

  afterEach(async () => {
    client.kill();
    await rm(folder, { recursive: true, force: true });
  });

  const publications = () => client.publications.filter((params) => params.uri === uri).length;
  const hoverOf = async (needle: string, after: number) => {
    const position = positionOf(TEXT, needle, after);
    return JSON.stringify(
      await client.request<Hover | null>('textDocument/hover', { textDocument: { uri }, position }),
    );
  };

  /** A hover says what is known; every look at the world that found something ends with a publication. */
  async function untilHover(needle: string, after: number, expected: RegExp): Promise<void> {
    for (let seen = publications(); ; seen = publications()) {
      if (expected.test(await hoverOf(needle, after))) return;
      await client.until(`hover ${expected}`, () => publications() > seen);
    }
  }

  it('follows what the language says, in a publication of its own', async () => {
    await client.open(uri, TEXT);
    await client.diagnostics(uri);
    assert.doesNotMatch(await hoverOf('data d', 5), /rows/);
    await untilHover('data d', 5, /3 rows/);
    assert.match(await hoverOf('x  float', 0), /3 values, 0 missing.*from 1 to 3.*mean 2 ± 1/);
    assert.ok(publications() >= 2);
    assert.deepEqual(
      new Set(client.publications.filter((params) => params.uri === uri).map(({ version }) => version)),
      new Set([1]),
    );
  });

  it('follows a change of the data', async () => {
    await client.open(uri, TEXT);
    await untilHover('data d', 5, /3 rows/);
    await writeFile(join(folder, 'data', 'a.csv'), 'x,y\n1,0\n2,1\n3,0\n4,1\n');
    await untilHover('data d', 5, /4 rows/);
    // As editors and programs save: beside it, then renamed over it.
    await writeFile(join(folder, 'data', 'new'), 'x,y\n1,0\n');
    await rename(join(folder, 'data', 'new'), join(folder, 'data', 'a.csv'));
    await untilHover('data d', 5, /1 rows/);
    await unlink(join(folder, 'data', 'a.csv'));
    await untilHover('data d', 5, /not there/);
    await writeFile(join(folder, 'data', 'a.csv'), 'x,y\n1,0\n2,1\n');
    await untilHover('data d', 5, /2 rows/);
  });

  it('is not shown for another question: what is known of a file goes with the name of the file', async () => {
    await client.open(uri, TEXT);
    await untilHover('data d', 5, /3 rows/);
    const end = positionOf(TEXT, 'a.csv', 1);
    const version = await client.change(uri, { range: { start: end, end }, text: 'b' });
    await client.diagnostics(uri, (params) => params.version === version);
    assert.doesNotMatch(await hoverOf('data d', 5), /rows/);
    await untilHover('data d', 5, /not there/);
  });

  it('stays while what it is about stays', async () => {
    await client.open(uri, TEXT);
    await untilHover('data d', 5, /3 rows/);
    const end = positionOf(TEXT, 'pipeline p', 10);
    const version = await client.change(uri, { range: { start: end, end }, text: 'q' });
    await client.diagnostics(uri, (params) => params.version === version);
    assert.match(await hoverOf('data d', 5), /3 rows/);
  });

  it('is gathered in a workspace that is not trusted too, as far as nothing is executed for it', async () => {
    client.kill();
    client = await Client.start({
      folders: [pathToFileURL(folder).toString()],
      initializationOptions: { trusted: false },
    });
    await client.open(uri, TEXT);
    await untilHover('data d', 5, /3 rows/);
  });

  it('finds content that differs from its pin, and the fix that pins it anew mends it', async () => {
    const pinned = TEXT.replace('  schema', `  pin   sha256:${'0'.repeat(64)}\n  schema`);
    await client.open(uri, pinned);
    const differs = ({ code }: { code?: unknown }) => code === 'MLP2002';
    const { diagnostics } = await client.diagnostics(uri, (params) => params.diagnostics.some(differs));
    const finding = diagnostics.find(differs);
    assert.match(finding?.codeDescription?.href ?? '', /MLP2002/);
    const actions = await client.request<CodeAction[]>('textDocument/codeAction', {
      textDocument: { uri },
      range: finding?.range,
      context: { diagnostics: [finding], only: ['quickfix'] },
    });
    const version = await client.change(uri, { text: applied(pinned, actions[0]?.edit?.changes?.[uri] ?? []) });
    const mended = await client.diagnostics(uri, (params) => params.version === version);
    assert.equal(mended.diagnostics.some(differs), false);
  });

  it('has what the last check for decay found, as soon as somebody has looked', async () => {
    const { digest } = await api.withProject(folder, ({ store }) => store.put(join(folder, 'data', 'a.csv')));
    const text = TEXT.replace('  schema', `  pin   ${digest}\n  schema`);
    await writeFile(join(folder, 'a.mlpipe'), text);
    await unlink(join(folder, 'data', 'a.csv'));
    const object = join(folder, '.mlpipe', 'objects', digest.slice(7, 9), digest.slice(9));
    await chmod(object, 0o644);
    await writeFile(object, 'x,y\n9,0\n2,1\n3,0\n');
    await client.open(uri, text);
    await client.diagnostics(uri, (params) => params.diagnostics.some(({ code }) => code === 'MLP2016'));
    const decay = () => api.withProject(folder, (project) => api.decay(project, join(folder, 'a.mlpipe')));
    assert.equal((await decay()).ok, false);
    const { diagnostics } = await client.diagnostics(uri, (params) =>
      params.diagnostics.some(({ code }) => code === 'MLP2017'),
    );
    const found = diagnostics.find(({ code }) => code === 'MLP2017');
    assert.deepEqual([found?.severity, found?.range.start.line], [2, 4]);
    assert.match(String(found?.message), /damaged in the store/);
    await writeFile(object, 'x,y\n1,0\n2,1\n3,0\n');
    assert.equal((await decay()).ok, true);
    await client.diagnostics(uri, (params) => !params.diagnostics.some(({ code }) => code === 'MLP2017'));
  });

  it('shows above a step what its last run gave, and why it would run again', async () => {
    const text = [
      'pipeline p',
      '',
      'environment node {',
      `  node "${process.versions.node}"`,
      '}',
      '',
      'step hello {',
      '  run     "node hello.mjs ${out}"',
      '  reads   "hello.mjs"',
      '  in      node',
      '  writes  out "out.txt"',
      '}',
      '',
    ].join('\n');
    await writeFile(join(folder, 'hello.mjs'), 'import fs from "node:fs"; fs.writeFileSync(process.argv[2], "hello");');
    await writeFile(join(folder, 'a.mlpipe'), text);
    await client.open(uri, text);
    await client.diagnostics(uri);
    const lenses = async () => {
      const answer = await client.request<CodeLens[]>('textDocument/codeLens', { textDocument: { uri } });
      return answer.map(({ command }) => ({ title: command?.title ?? '', arguments: command?.arguments ?? [] }));
    };
    assert.deepEqual(
      (await lenses()).map(({ title }) => title),
      ['▶ Run'],
    );

    const answer = await api.withProject(folder, (project) => api.run(project, join(folder, 'a.mlpipe')));
    assert.equal(answer.ok, true, JSON.stringify(answer));
    await client.until('news of the record', () => client.refreshes.includes('workspace/codeLens/refresh'));
    const [, last, ...others] = await lenses();
    assert.match(last?.title ?? '', /ran · just now/);
    assert.deepEqual(last?.arguments, [uri, answer.steps[0]?.record]);
    assert.deepEqual(others, []);

    await writeFile(
      join(folder, 'hello.mjs'),
      'import fs from "node:fs"; fs.writeFileSync(process.argv[2], "hello again");',
    );
    const untilLens = async (place: number, expected: RegExp) => {
      for (let seen = client.refreshes.length; ; seen = client.refreshes.length) {
        const found = (await lenses())[place];
        if (expected.test(found?.title ?? '')) return found;
        await client.until(`a lens ${expected}`, () => client.refreshes.length > seen);
      }
    };
    await untilLens(2, /^↻ .*hello\.mjs/);
    assert.deepEqual((await lenses())[3], { title: 'why would this rerun?', arguments: [uri, 'hello'] });

    // It has run as something else before: why it ran again has an answer.
    await api.withProject(folder, (project) => api.run(project, join(folder, 'a.mlpipe')));
    const rerun = await untilLens(2, /^why did this rerun\?$/);
    assert.deepEqual(rerun?.arguments, [uri, 'hello']);
    assert.equal((await lenses()).length, 3);
  });
});

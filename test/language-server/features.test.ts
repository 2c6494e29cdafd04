import assert from 'node:assert/strict';
import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type {
  CodeAction,
  CodeLens,
  Diagnostic,
  DocumentLink,
  DocumentSymbol,
  FoldingRange,
  Hover,
  InlayHint,
  Location,
  LocationLink,
  Range,
  SelectionRange,
  SemanticTokens,
  SignatureHelp,
  TextEdit,
  WorkspaceEdit,
  WorkspaceSymbol,
} from 'vscode-languageserver-protocol';
import { Client } from './client.ts';
import { applied, positionOf, SAMPLE } from './sample.ts';

describe('what an editor asks', () => {
  let client: Client;
  let folder: string;
  let uri: string;

  before(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'mlpipe-features-')));
    await writeFile(join(folder, 'report.mjs'), '');
    await writeFile(join(folder, 'digits.mlpipe'), SAMPLE);
    uri = pathToFileURL(join(folder, 'digits.mlpipe')).toString();
    client = await Client.start({ folders: [pathToFileURL(folder).toString()] });
    await client.open(uri, SAMPLE);
  });

  after(async () => {
    client.kill();
    await rm(folder, { recursive: true, force: true });
  });

  const ask = <T>(method: string, more: object = {}) =>
    client.request<T>(`textDocument/${method}`, { textDocument: { uri }, ...more });
  const at = (needle: string, after = 0) => ({ position: positionOf(SAMPLE, needle, after) });
  const textOf = ({ start, end }: Range, text = SAMPLE) => {
    const lines = text.split('\n');
    return start.line === end.line ? lines[start.line]?.slice(start.character, end.character) : undefined;
  };
  const hover = async (needle: string, after = 0) =>
    JSON.stringify((await ask<Hover | null>('hover', at(needle, after)))?.contents ?? null);

  describe('hover', () => {
    for (const [what, needle, after, expected] of [
      ['documents a layer and says its shapes here', 'conv2d', 2, /\[8, 8, 1\] → \[6, 6, 16\], 160 parameters/],
      ['says the shape and parameters of a model', 'model      cnn', 12, /\[8, 8\] → \[10\], 1,610 parameters/],
      ['documents a keyword', 'epochs     12', 2, /training data/],
      ['documents a unit', '80%', 2, /share of a whole/],
      ['documents a choice', 'relu', 2, /max\(0, x\)/],
      ['documents an argument', 'filters: 16', 2, /patterns/],
      ['documents a metric', 'accuracy', 2, /metric accuracy/],
      ['shows the comment above a block', 'data digits', 6, /Pixels and what they show/],
      ['tells whether data is pinned', 'data digits', 6, /Not pinned/],
    ] as const) {
      it(what, async () => assert.match(await hover(needle, after), expected));
    }

    it('says nothing between words', async () => assert.equal(await hover('\n\nparam', 1), 'null'));
  });

  it('helps with the arguments of a call, the one at the cursor marked', async () => {
    const help = await ask<SignatureHelp>('signatureHelp', at('kernel: 3', 'kernel: '.length));
    assert.match(help.signatures[0]?.label ?? '', /^conv2d\(filters: count, kernel/);
    assert.equal(help.activeParameter, 1);
    assert.equal(await ask('signatureHelp', at('seed        7', 3)), null);
  });

  it('finds a definition in the file, and in the library, which can be read', async () => {
    const [own] = await ask<LocationLink[]>('definition', at('on         digits', 14));
    assert.equal(own?.targetUri, uri);
    assert.equal(own && textOf(own.targetSelectionRange), 'digits');
    const [builtin] = await ask<LocationLink[]>('definition', at('conv2d', 2));
    assert.match(builtin?.targetUri ?? '', /^builtin:/);
    const { text } = await client.request<{ text: string }>('workspace/textDocumentContent', {
      uri: builtin?.targetUri,
    });
    assert.equal(builtin && textOf(builtin.targetSelectionRange, text), 'conv2d');
  });

  it('finds every reference and highlights it', async () => {
    const places = await ask<Location[]>('references', {
      ...at('data digits', 6),
      context: { includeDeclaration: true },
    });
    assert.equal(places.length, 6);
    assert.deepEqual([...new Set(places.map(({ range }) => textOf(range)))], ['digits']);
    assert.equal((await ask<unknown[]>('documentHighlight', at('data digits', 6))).length, 6);
  });

  it('outlines blocks with what is in them', async () => {
    const symbols = await ask<DocumentSymbol[]>('documentSymbol');
    assert.deepEqual(
      symbols.map(({ name, detail }) => `${detail} ${name}`),
      [
        'pipeline digits',
        'parameter rate',
        'environment cpu',
        'data digits',
        'model cnn',
        'training recognise',
        'evaluation recognise.test',
        'step report',
        'deployment staging',
        'monitor staging',
      ],
    );
    const data = symbols.find(({ detail }) => detail === 'data');
    assert.deepEqual(
      data?.children?.map(({ name }) => name),
      ['pixels', 'label', 'train', 'validation', 'test'],
    );
  });

  it('searches the workspace, but not the library', async () => {
    const found = await client.request<WorkspaceSymbol[]>('workspace/symbol', { query: 'digits' });
    assert.deepEqual(
      found.map(({ name }) => name),
      ['digits', 'digits'],
    );
    assert.deepEqual(await client.request('workspace/symbol', { query: 'conv2dTranspose' }), []);
  });

  it('folds blocks up to the line before their end', async () => {
    const folds = await ask<FoldingRange[]>('foldingRange');
    const { line } = positionOf(SAMPLE, 'data digits');
    assert.ok(folds.some(({ startLine, endLine }) => startLine === line && endLine === line + 12));
    assert.equal(folds.length, 10);
  });

  it('widens a selection from a word to the file', async () => {
    const [selection] = await ask<SelectionRange[]>('selectionRange', {
      positions: [positionOf(SAMPLE, 'kernel: 3', 8)],
    });
    const texts: (string | undefined)[] = [];
    for (let range = selection; range; range = range.parent) texts.push(textOf(range.range));
    assert.equal(texts[0], '3');
    assert.ok(texts.includes('conv2d(filters: 16, kernel: 3, activation: relu)'));
    assert.equal(texts.at(-1), undefined);
  });

  it('formats the document, and only the lines asked for', async () => {
    const options = { tabSize: 2, insertSpaces: true };
    assert.deepEqual(await ask<TextEdit[]>('formatting', { options }), []);
    const messy = 'data d {\nfrom    "a"\n      pin sha256:ab\n}\n';
    const other = pathToFileURL(join(folder, 'messy.mlpipe')).toString();
    await client.open(other, messy);
    const all = await client.request<TextEdit[]>('textDocument/formatting', { textDocument: { uri: other }, options });
    assert.equal(all.length > 0, true);
    const range = { start: { line: 1, character: 0 }, end: { line: 1, character: 4 } };
    const some = await client.request<TextEdit[]>('textDocument/rangeFormatting', {
      textDocument: { uri: other },
      options,
      range,
    });
    assert.ok(some.length > 0 && some.every((edit) => edit.range.start.line === 1), JSON.stringify(some));
    await client.close(other);
  });

  it('tells names from words by semantic tokens', async () => {
    const { data } = await ask<SemanticTokens>('semanticTokens/full');
    const legend = client.initialized?.capabilities.semanticTokensProvider?.legend.tokenTypes ?? [];
    const named = new Map<string, string | undefined>();
    let line = 0;
    let character = 0;
    for (let index = 0; index + 4 < data.length; index += 5) {
      const [lines = 0, characters = 0, length = 0, type = 0] = data.slice(index, index + 4);
      character = lines === 0 ? character + characters : characters;
      line += lines;
      named.set(SAMPLE.split('\n')[line]?.slice(character, character + length) ?? '', legend[type]);
    }
    assert.equal(named.get('conv2d'), 'function');
    assert.equal(named.get('relu'), 'enumMember');
    assert.equal(named.get('pixels'), 'property');
    assert.equal(named.get('filters'), 'parameter');
    assert.equal(named.get('cnn'), 'class');
    assert.equal(named.has('epochs') && named.get('epochs') !== 'keyword', false);
  });

  it('hints shapes and parameter counts beside layers', async () => {
    const range = { start: { line: 0, character: 0 }, end: { line: 100, character: 0 } };
    const hints = await ask<InlayHint[]>('inlayHint', { range });
    assert.deepEqual(
      hints.map(({ label }) => label),
      ['→ [8, 8]', '→ [6, 6, 16] · 160 parameters', '→ [3, 3, 16]', '→ [144]', '→ [10] · 1,450 parameters'],
    );
  });

  it('puts ▶ above what can run, with URIs and names for the client', async () => {
    const lenses = await ask<CodeLens[]>('codeLens');
    assert.deepEqual(
      lenses.map(({ command }) => [command?.title, command?.command, command?.arguments]),
      [
        ['▶ Train', 'mlpipe.run', [uri, 'recognise', 'recognise.test']],
        ['▶ Evaluate', 'mlpipe.run', [uri, 'recognise.test']],
        ['▶ Run', 'mlpipe.run', [uri, 'report']],
      ],
    );
  });

  it('links the files that are there', async () => {
    const links = await ask<DocumentLink[]>('documentLink');
    assert.deepEqual(
      links.map(({ range, target }) => [textOf(range), target]),
      [['report.mjs', pathToFileURL(join(folder, 'report.mjs')).toString()]],
    );
  });

  describe('code actions', () => {
    let count = 0;
    const other = () => pathToFileURL(join(folder, `actions${count}.mlpipe`)).toString();

    afterEach(() => client.close(other()));

    async function actionsFor(
      text: string,
      code: string,
      only: string,
    ): Promise<{ actions: CodeAction[]; finding?: Diagnostic }> {
      count++;
      await client.open(other(), text);
      const has = ({ diagnostics }: { diagnostics: Diagnostic[] }) => diagnostics.some((each) => each.code === code);
      const { diagnostics } = await client.diagnostics(other(), has);
      const finding = diagnostics.find((each) => each.code === code);
      const context = { diagnostics: [finding], only: [only] };
      const params = { textDocument: { uri: other() }, range: finding?.range, context };
      return { actions: await client.request<CodeAction[]>('textDocument/codeAction', params), finding };
    }

    async function codesAfter(text: string, action: CodeAction | undefined): Promise<unknown[]> {
      const version = await client.change(other(), { text: applied(text, action?.edit?.changes?.[other()] ?? []) });
      const { diagnostics } = await client.diagnostics(other(), (params) => params.version === version);
      return diagnostics.map(({ code }) => code);
    }

    for (const [what, from, to, code] of [
      ['a misspelt layer', 'flatten', 'flaten', 'MLP1001'],
      ['a misspelt fact', 'epochs     12', 'epocs     12', 'MLP1002'],
      ['a misspelt block', 'environment cpu', 'enviroment cpu', 'MLP1002'],
      ['a misspelt argument', 'kernel: 3', 'kernl: 3', 'MLP1001'],
      ['a training without a seed', '  batch      32\n  seed       7\n', '  batch      32\n', 'MLP3007'],
    ] as const) {
      it(`mend ${what}, and the finding is gone`, async () => {
        const text = SAMPLE.replace(from, to);
        const { actions, finding } = await actionsFor(text, code, 'quickfix');
        assert.match(finding?.codeDescription?.href ?? '', new RegExp(code));
        const [fix] = actions;
        assert.equal(fix?.kind, 'quickfix');
        assert.equal((await codesAfter(text, fix)).includes(code), false, fix?.title);
      });
    }

    it('correct every misspelt word at once', async () => {
      const text = SAMPLE.replace('flatten', 'flaten').replace('epochs     12', 'epocs     12');
      const { actions } = await actionsFor(text, 'MLP1002', 'source.fixAll');
      assert.equal(actions.length, 1);
      const codes = await codesAfter(text, actions[0]);
      assert.equal(codes.includes('MLP1001') || codes.includes('MLP1002'), false);
    });

    it('silence a warning with a comment that asks for the reason', async () => {
      const { actions } = await actionsFor(SAMPLE, 'MLP3003', 'quickfix');
      const silence = actions.find(({ title }) => title.startsWith('Ignore MLP3003'));
      assert.equal((await codesAfter(SAMPLE, silence)).includes('MLP3003'), false);
    });
  });

  describe('rename', () => {
    for (const [name, needle, after] of [
      ['a data set', 'data digits', 6],
      ['a training from inside a text', '${recognise', 4],
      ['a column', 'pixels  float', 1],
      ['a part', 'validation  10%', 1],
      ['an output', 'page "report', 1],
      ['a parameter', 'adam(rate: rate', 12],
    ] as const) {
      it(`of ${name} keeps the diagnostics as they are`, async () => {
        // Not on a disk, so that no news of the world comes in between.
        const other = `untitled:${name.replaceAll(' ', '-')}`;
        await client.open(other, SAMPLE);
        const before = (await client.diagnostics(other)).diagnostics;
        const edit = await client.request<WorkspaceEdit>('textDocument/rename', {
          textDocument: { uri: other },
          ...at(needle, after),
          newName: 'renamed',
        });
        const edits = edit.changes?.[other] ?? [];
        assert.ok(edits.length >= 2, `${edits.length} edits`);
        const version = await client.change(other, { text: applied(SAMPLE, edits) });
        const { diagnostics } = await client.diagnostics(other, (params) => params.version === version);
        const plain = (list: typeof diagnostics) =>
          list.map(({ code, range, severity }) => `${code} ${severity} ${range.start.line}`).sort();
        assert.deepEqual(plain(diagnostics), plain(before));
        await client.close(other);
      });
    }

    it('reaches every file, and leaves a name that an import gives alone', async () => {
      const shared = pathToFileURL(join(folder, 'shared.mlpipe')).toString();
      const user = pathToFileURL(join(folder, 'user.mlpipe')).toString();
      const sharedText = 'environment cpu {\n  engine wasm "4.22.0"\n}\n';
      const userText =
        'import cpu, cpu as other from "./shared.mlpipe"\n\ntrain a {\n  in cpu\n}\n\ntrain b {\n  in other\n}\n';
      await client.open(shared, sharedText);
      await client.open(user, userText);
      await client.diagnostics(user);
      const rename = (on: string, text: string, needle: string) =>
        client.request<WorkspaceEdit>('textDocument/rename', {
          textDocument: { uri: on },
          position: positionOf(text, needle, needle.length),
          newName: 'box',
        });
      const { changes } = await rename(shared, sharedText, 'environment cp');
      assert.equal(applied(sharedText, changes?.[shared] ?? []), sharedText.replace('cpu', 'box'));
      assert.equal(applied(userText, changes?.[user] ?? []), userText.replaceAll('cpu', 'box'));
      const alias = await rename(user, userText, 'in oth');
      assert.deepEqual(Object.keys(alias.changes ?? {}), [user]);
      assert.equal(applied(userText, alias.changes?.[user] ?? []), userText.replaceAll('other', 'box'));
      await client.close(user);
      await client.close(shared);
    });

    it('is refused into the library, to what is no name, and to a name that is taken', async () => {
      const rename = (needle: string, newName: string) => ask('rename', { ...at(needle, 2), newName });
      await assert.rejects(rename('conv2d', 'mine'), /belongs to the language/);
      await assert.rejects(ask('prepareRename', at('relu', 2)), /belongs to the language/);
      await assert.rejects(rename('cnn {', 'two words'), /not a name/);
      await assert.rejects(rename('cnn {', 'recognise'), /taken/);
    });
  });
});

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import { Client, SERVER } from './client.ts';
import { manyLines, positionOf, SAMPLE } from './sample.ts';

const uri = 'file:///nowhere/digits.mlpipe';

describe('the language server over stdio', () => {
  let client: Client;

  beforeEach(async () => {
    client = await Client.start();
  });

  afterEach(() => client.kill());

  it('says who it is and what it can do', () => {
    const { serverInfo, capabilities } = client.initialized ?? {};
    assert.equal(serverInfo?.name, 'mlpipe');
    assert.match(serverInfo?.version ?? '', /^\d+\.\d+\.\d+/);
    assert.deepEqual(capabilities?.codeActionProvider, { codeActionKinds: ['quickfix', 'source.fixAll'] });
    assert.equal(capabilities?.selectionRangeProvider, true);
    assert.deepEqual(capabilities?.workspace?.textDocumentContent, { schemes: ['builtin'] });
  });

  it('publishes diagnostics with the version that they are about', async () => {
    await client.open(uri, SAMPLE);
    assert.equal((await client.diagnostics(uri)).version, 1);
    const position = positionOf(SAMPLE, 'cnn\n  on');
    const version = await client.change(uri, { range: { start: position, end: position }, text: 'x' });
    const wrong = await client.diagnostics(uri, (params) => params.version === version);
    assert.match(JSON.stringify(wrong.diagnostics), /xcnn/);
    const right = await client.change(uri, { text: SAMPLE });
    const mended = await client.diagnostics(uri, (params) => params.version === right);
    assert.doesNotMatch(JSON.stringify(mended.diagnostics), /xcnn/);
  });

  it('ends a burst of edits with diagnostics of the last version, and skips builds in between', async () => {
    const text = manyLines(1000);
    await client.open(uri, text);
    await client.diagnostics(uri);
    const position = positionOf(text, 'epochs     12', 'epochs     12'.length);
    let version = 1;
    for (let key = 0; key < 20; key++) {
      version = await client.change(uri, { range: { start: position, end: position }, text: '0' });
    }
    await client.diagnostics(uri, (params) => params.version === version);
    const versions = client.publications.filter((params) => params.uri === uri).map((params) => params.version ?? 0);
    assert.deepEqual(
      versions,
      [...versions].sort((a, b) => a - b),
    );
    assert.ok(versions.length < 20, `published ${versions.length} times`);
  });

  it('answers a request that was made right after a change from the new text', async () => {
    await client.open(uri, SAMPLE);
    await client.diagnostics(uri);
    const position = positionOf(SAMPLE, 'data digits', 'data digits'.length);
    void client.change(uri, { range: { start: position, end: position }, text: 'X' });
    const symbols = await client.request<{ name: string }[]>('textDocument/documentSymbol', { textDocument: { uri } });
    assert.ok(symbols.some(({ name }) => name === 'digitsX'));
  });

  it('answers a request that was made right after a document was opened', async () => {
    void client.open(uri, SAMPLE);
    const symbols = await client.request<unknown[]>('textDocument/documentSymbol', { textDocument: { uri } });
    assert.equal(symbols.length, 10);
  });

  it('answers a cancelled request with RequestCancelled, as an error', async () => {
    const text = manyLines(10_000);
    await client.open(uri, text);
    await client.diagnostics(uri);
    const end = { line: 1, character: 0 };
    const source = new CancellationTokenSource();
    void client.change(uri, { range: { start: end, end }, text: '\n' });
    const answer = client.connection
      .sendRequest('textDocument/completion', { textDocument: { uri }, position: end }, source.token)
      .then(
        (result) => ({ result }),
        (error: { code?: number }) => ({ code: error.code }),
      );
    source.cancel();
    assert.deepEqual(await answer, { code: -32_800 });
  });

  it('answers an unknown request with MethodNotFound', async () => {
    await assert.rejects(client.request('textDocument/dance', {}), { code: -32_601 });
  });

  it('survives messages that are no messages', async () => {
    const { stdin } = client.process;
    const write = (body: string) => stdin?.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    write('{ this is not JSON');
    write('[]');
    write('null');
    write('"words"');
    write('{"jsonrpc":"2.0","method":"textDocument/didChange","params":{"textDocument":{"uri":5}}}');
    write('{"jsonrpc":"2.0","method":"textDocument/didOpen","params":null}');
    write(
      '{"jsonrpc":"2.0","id":"a","method":"textDocument/hover","params":{"textDocument":{"uri":"::::"},"position":{"line":-1,"character":1e9}}}',
    );
    await client.open(uri, SAMPLE);
    await client.diagnostics(uri);
    const hover = await client.request('textDocument/hover', {
      textDocument: { uri },
      position: positionOf(SAMPLE, 'conv2d', 2),
    });
    assert.match(JSON.stringify(hover), /conv2d/);
  });

  it('writes nothing to its output but messages', async () => {
    // The reader of the client would stumble over anything else; what is logged comes as a message.
    await client.open(uri, SAMPLE.repeat(2));
    await client.diagnostics(uri);
    assert.equal(client.stderr, '');
  });

  it('ends with 0 after shutdown and exit', async () => {
    assert.equal(await client.stop(), 0);
  });

  it('ends with 1 after exit alone', async () => {
    await client.notify('exit');
    if (!client.exited) await once(client.process, 'exit');
    assert.equal(client.process.exitCode, 1);
  });

  it('ends when its client goes', async () => {
    client.process.stdin?.end();
    if (!client.exited) await once(client.process, 'exit');
    assert.equal(client.process.exitCode, 1);
  });
});

describe('the language server over a Node channel', () => {
  it('answers, and ends when the channel closes', async () => {
    const child = spawn(process.execPath, [SERVER, '--node-ipc'], { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    try {
      child.send({
        jsonrpc: '2.0',
        id: 1,
        method: 'initialize',
        params: { processId: null, capabilities: {}, workspaceFolders: null },
      });
      const [answer] = await once(child, 'message');
      assert.match(JSON.stringify(answer), /"serverInfo":\{"name":"mlpipe"/);
      child.disconnect();
      const [code] = await once(child, 'exit');
      assert.equal(code, 1);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

describe('the dependencies of the language server', () => {
  it('hold one copy of vscode-jsonrpc: with two, a cancelled request is answered as if it had succeeded', () => {
    const listed = execFileSync('npm', ['ls', 'vscode-jsonrpc', '--all', '--parseable'], {
      encoding: 'utf8',
      cwd: new URL('../../', import.meta.url),
    });
    assert.equal(new Set(listed.trim().split('\n')).size, 1, listed);
  });
});

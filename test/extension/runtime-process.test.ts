import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NodeProgram, NoNode } from '../../extension/infrastructure/node-finder.ts';
import { RestartPolicy } from '../../extension/infrastructure/restart-policy.ts';
import {
  RuntimeProcess,
  type RuntimeState,
  RuntimeUnavailable,
} from '../../extension/infrastructure/runtime-process.ts';
import { ModelsRequest, PROTOCOL_VERSION } from '../../runtime/rpc/protocol.ts';

const jsonrpc = createRequire(import.meta.url).resolve('vscode-jsonrpc/node');
const thisNode: NodeProgram = {
  path: process.execPath,
  version: process.versions.node,
  environment: {},
  origin: 'editor',
};

/** A process that speaks the protocol and misbehaves on demand, which the real runtime does not. */
const program = (body: string): string => `
  const { createMessageConnection, StreamMessageReader, StreamMessageWriter } = require(${JSON.stringify(jsonrpc)});
  const connection = createMessageConnection(new StreamMessageReader(process.stdin), new StreamMessageWriter(process.stdout));
  const hello = { protocol: ${PROTOCOL_VERSION}, version: 'test', node: process.versions.node, pid: process.pid };
  process.stdin.on('end', () => process.exit(0));
  ${body}
  connection.listen();
`;

describe('the runtime’s process', () => {
  let folder: string;
  let runtime: RuntimeProcess | undefined;
  let lines: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mlpipe-runtime-process-'));
    lines = [];
  });
  afterEach(async () => {
    await runtime?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  async function runtimeThat(
    body: string,
    options: { attempts?: number; node?: NodeProgram | NoNode } = {},
  ): Promise<RuntimeProcess> {
    const file = join(folder, 'program.cjs');
    await writeFile(file, program(body));
    const log = (line: string): void => {
      lines.push(line);
    };
    runtime = new RuntimeProcess({
      findNode: async () => options.node ?? thisNode,
      program: file,
      folder,
      log: { info: log, warn: log, error: log },
      policy: new RestartPolicy({
        attempts: options.attempts ?? 2,
        withinMilliseconds: 60_000,
        firstDelayMilliseconds: 1,
        factor: 1,
      }),
    });
    return runtime;
  }

  /** Resolves with the first state of a kind, now or later. */
  function stateOf(process: RuntimeProcess, kind: RuntimeState['kind']): Promise<RuntimeState> {
    if (process.state.kind === kind) return Promise.resolve(process.state);
    return new Promise((resolve) => {
      const listening = process.onStateChanged((state) => {
        if (state.kind !== kind) return;
        listening.dispose();
        resolve(state);
      });
    });
  }

  const GOOD = `connection.onRequest('mlpipe/hello', () => hello);
    connection.onRequest('mlpipe/models', ({ folder }) => [folder]);`;

  it('starts at the first question and answers it', async () => {
    const process = await runtimeThat(GOOD);
    assert.equal(process.state.kind, 'stopped');
    assert.deepEqual(await process.request(ModelsRequest, { folder: 'here' }), ['here']);
    assert.equal(process.state.kind, 'ready');
  });

  it('rejects what was asked when it is killed, is started again, and answers again', async () => {
    const process = await runtimeThat(`${GOOD}
      connection.onRequest('mlpipe/models', ({ folder }) =>
        folder === 'forever' ? new Promise(() => {}) : [folder]);`);
    await process.start();
    assert.ok(process.state.kind === 'ready');
    const question = process.request(ModelsRequest, { folder: 'forever' });
    // The rejection is looked at below; until then it must not count as unhandled.
    question.catch(() => {});
    const { pid } = process.state.hello;
    globalThis.process.kill(pid, 'SIGKILL');
    await assert.rejects(question, (error) => {
      assert.ok(error instanceof RuntimeUnavailable);
      assert.match(error.message, /was ended by SIGKILL/);
      assert.match(error.todo, /started again/);
      return true;
    });
    assert.deepEqual(await process.request(ModelsRequest, { folder: 'again' }), ['again']);
    assert.ok(process.state.kind === 'ready');
    assert.notEqual(process.state.hello.pid, pid);
  });

  it('gives up after a bounded number of restarts, says why, and starts again when asked', async () => {
    const process = await runtimeThat(`if (!require('node:fs').existsSync('mended')) process.exit(7); ${GOOD}`);
    const starts = (): number => lines.filter((line) => line.startsWith('Starting')).length;
    await assert.rejects(process.request(ModelsRequest, { folder: '' }), /ended with exit code 7/);
    assert.equal(process.state.kind, 'failed');
    assert.equal(starts(), 3, 'one start and two restarts');
    await writeFile(join(folder, 'mended'), '');
    await process.restart();
    assert.equal(process.state.kind, 'ready');
  });

  it('logs what it says on its error stream', async () => {
    const process = await runtimeThat(`console.error('a native module is missing'); ${GOOD}`);
    await process.start();
    assert.ok(lines.includes('a native module is missing'));
  });

  it('refuses a runtime of another protocol', async () => {
    const process = await runtimeThat(`connection.onRequest('mlpipe/hello', () => ({ ...hello, protocol: 999 }));`);
    await process.start();
    assert.ok(process.state.kind === 'failed');
    assert.match(process.state.problem, /speaks protocol 999/);
  });

  it('hands on what to do where there is no Node for it', async () => {
    const process = await runtimeThat(GOOD, { node: { problem: 'No Node.', todo: 'Install one.' } });
    await assert.rejects(process.request(ModelsRequest, { folder: '' }), (error) => {
      assert.ok(error instanceof RuntimeUnavailable);
      assert.deepEqual([error.message, error.todo], ['No Node.', 'Install one.']);
      return true;
    });
  });

  it('fails without a crash where the program cannot be started', async () => {
    const process = await runtimeThat(GOOD, { node: { ...thisNode, path: join(folder, 'nothing') } });
    await process.start();
    assert.ok(process.state.kind === 'failed');
    assert.match(process.state.problem, /could not be started/);
  });

  it('ends with the editor, even while it works', async () => {
    const process = await runtimeThat(`${GOOD} connection.onRequest('mlpipe/models', () => {
        require('node:fs').writeSync(2, 'working');
        for (;;);
      });`);
    await process.start();
    assert.ok(process.state.kind === 'ready');
    const { pid } = process.state.hello;
    process.request(ModelsRequest, { folder: '' }).catch(() => {});
    while (!lines.includes('working')) await new Promise((resolve) => setTimeout(resolve, 5));
    await process.stop();
    assert.throws(() => globalThis.process.kill(pid, 0), /ESRCH/);
    assert.equal((await stateOf(process, 'stopped')).kind, 'stopped');
  });
});

describe('how often a process is started again', () => {
  const limits = { attempts: 3, withinMilliseconds: 1000, firstDelayMilliseconds: 10, factor: 4 };

  it('is a few times, ever more slowly, and then never', () => {
    const policy = new RestartPolicy(limits);
    assert.deepEqual(
      [0, 1, 2, 3].map((now) => policy.afterEnd(now)),
      [10, 40, 160, undefined],
    );
  });

  it('begins anew after a quiet time, or when a person asks', () => {
    const policy = new RestartPolicy(limits);
    for (const now of [0, 1, 2]) policy.afterEnd(now);
    assert.equal(policy.afterEnd(5000), 10);
    policy.forget();
    assert.equal(policy.afterEnd(5001), 10);
  });
});

import assert from 'node:assert/strict';
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  CancellationTokenSource,
  createMessageConnection,
  type MessageConnection,
  ResponseError,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node';
import * as api from '../../runtime/api.ts';
import type { RunEvent } from '../../runtime/events.ts';
import {
  DecayProgressNotification,
  DecayRequest,
  DiffRequest,
  HelloRequest,
  LineageRequest,
  ModelsRequest,
  PROTOCOL_VERSION,
  RecordsChangedNotification,
  RepairRecordRequest,
  RunEventNotification,
  RunPipelineRequest,
  ShowRecordRequest,
  StatusRequest,
  ToldNotification,
  TransferNotification,
  type TransferProgress,
  type VerifyProgress,
  VerifyProgressNotification,
  VerifyRecordRequest,
  WhyRequest,
} from '../../runtime/rpc/protocol.ts';
import { isRunning, TemporaryProject, until } from './project.ts';

const MAIN = fileURLToPath(new URL('../../runtime/cli/main.ts', import.meta.url));
const QUICK = 'pipeline p\n\nstep say {\n  run "echo hello | tee ${o}"\n  writes o "said.txt"\n}\n';
const SLOW = 'pipeline p\n\nstep wait {\n  run "echo begun; sleep 300"\n  writes o "o"\n}\n';

describe('the runtime over RPC', function () {
  this.timeout(30_000);
  let project: TemporaryProject;
  let runtime: ChildProcessWithoutNullStreams;
  let ended: Promise<number | null>;
  let connection: MessageConnection;
  let events: RunEvent[];

  const start = (pipeline: string) => {
    project = new TemporaryProject({ 'p.mlpipe': pipeline });
    runtime = spawn(process.execPath, [MAIN, 'rpc'], { cwd: project.folder });
    ended = new Promise((resolve) => runtime.once('close', resolve));
    connection = createMessageConnection(
      new StreamMessageReader(runtime.stdout),
      new StreamMessageWriter(runtime.stdin),
    );
    events = [];
    connection.onNotification(RunEventNotification, ({ event }) => {
      events.push(event);
    });
    connection.onError(() => undefined);
    connection.listen();
    return { file: join(project.folder, 'p.mlpipe'), folder: project.folder };
  };
  afterEach(async () => {
    connection.dispose();
    runtime.kill('SIGKILL');
    await ended;
    project.remove();
  });

  it('says who it is', async () => {
    start(QUICK);
    const hello = await connection.sendRequest(HelloRequest);
    assert.equal(hello.protocol, PROTOCOL_VERSION);
    assert.equal(hello.node, process.versions.node);
    assert.equal(hello.pid, runtime.pid);
  });

  it('runs, tells what happens before it answers, and remembers', async () => {
    const { file, folder } = start(QUICK);
    const stale = await connection.sendRequest(StatusRequest, { file });
    assert.deepEqual(
      stale.steps.map(({ state }) => state),
      ['never-ran'],
    );
    const answer = await connection.sendRequest(RunPipelineRequest, { file, steps: [] });
    assert.equal(answer.ok, true);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['run-started', 'step-started', 'step-output', 'step-finished', 'run-finished'],
    );
    assert.equal((await connection.sendRequest(StatusRequest, { file })).upToDate, true);
    const { text } = await connection.sendRequest(ShowRecordRequest, { folder, reference: 'say' });
    assert.equal((JSON.parse(text) as { run: string }).run, answer.run);
    const lineage = await connection.sendRequest(LineageRequest, { folder, reference: 'say' });
    const recorded = lineage.nodes.find(({ kind }) => kind === 'record');
    assert.equal(recorded?.record?.step, 'say');
    assert.equal(recorded.record.status, 'ok');
    const both = await connection.sendRequest(LineageRequest, { folder, reference: 'say', direction: 'both' });
    assert.deepEqual(both, lineage);
    const same = await connection.sendRequest(DiffRequest, { folder, one: recorded.id, other: recorded.id });
    assert.deepEqual(same, { before: recorded.id, after: recorded.id, differences: [] });
    assert.deepEqual(await connection.sendRequest(ModelsRequest, { folder }), []);
  });

  it('tells what a run fetches from a remote, as it goes on and when it is done', async () => {
    const { file, folder } = start('pipeline p\n\nstep say {\n  run "cat ${table} > ${o}"\n  writes o "said.txt"\n}\n');
    const remote = fs.mkdtempSync(join(tmpdir(), 'mlpipe-rpc-remote-'));
    try {
      project.write('table.csv', 'x\n1\n');
      project.write('p.mlpipe', `${project.read('p.mlpipe')}\ndata table {\n  from "table.csv"\n}\n`);
      await project.pin();
      await api.withProject(folder, async (opened) => {
        const { addRemote } = await api.sharing.remotes();
        await addRemote(opened, 'shared', { url: remote });
        assert.equal((await api.run(opened, file)).ok, true);
        await api.sharing.push(opened);
      });
      // What a clone has: everything that is committed, and nothing else.
      for (const path of ['table.csv', 'said.txt', '.mlpipe'])
        fs.rmSync(project.path(path), { recursive: true, force: true });
      project.write('p.mlpipe', project.read('p.mlpipe').replace('cat', 'cat -n'));
      const told: string[] = [];
      const transfers: TransferProgress[] = [];
      connection.onNotification(ToldNotification, (message) => {
        assert.equal(message.for, file);
        told.push(message.message);
      });
      connection.onNotification(TransferNotification, (message) => {
        assert.equal(message.for, file);
        transfers.push(message.progress);
      });
      const answer = await connection.sendRequest(RunPipelineRequest, { file, steps: [] });
      assert.equal(answer.ok, true, JSON.stringify(answer));
      assert.match(told.join('\n'), /^fetched 1 object \(4 bytes\) from shared$/m);
      const objects = transfers.filter(({ phase }) => phase === 'objects');
      assert.ok(objects.length > 0, JSON.stringify(transfers));
      assert.ok(objects.every(({ objectsTotal }) => objectsTotal >= 1));
    } finally {
      fs.rmSync(remote, { recursive: true, force: true });
    }
  });

  it('says in words how two keys of a step differ', async () => {
    const { file } = start(QUICK);
    await connection.sendRequest(RunPipelineRequest, { file, steps: [] });
    const once = await connection.sendRequest(WhyRequest, { file, step: 'say' });
    assert.deepEqual(once, { step: 'say', reason: 'has never run', keys: null });
    project.write('p.mlpipe', QUICK.replace('hello', 'good-day'));
    const { reason, keys } = await connection.sendRequest(WhyRequest, { file, step: 'say' });
    assert.match(reason, /^command changed/);
    assert.match(keys?.before.text ?? '', /^ {2}command {2}echo hello \| tee \$\{o\}$/m);
    assert.equal(keys?.after.text, keys?.before.text.replace('hello', 'good-day'));
  });

  it('checks for decay, as the command line does', async () => {
    const { file } = start(QUICK);
    await connection.sendRequest(RunPipelineRequest, { file, steps: [] });
    const told: number[] = [];
    connection.onNotification(DecayProgressNotification, (message) => {
      assert.equal(message.file, file);
      told.push(message.total);
    });
    const there = await connection.sendRequest(DecayRequest, { file });
    const here = await api.withProject(project.folder, (opened) => api.decay(opened, file, { network: {} }));
    assert.deepEqual(there, here);
    assert.ok(there.items.length > 0);
    assert.deepEqual(told, [0, 1]);
  });

  it('verifies a record with all that is behind it, and tells how far it is', async () => {
    const { file, folder } = start(QUICK);
    const { steps } = await connection.sendRequest(RunPipelineRequest, { file, steps: [] });
    const reference = steps[0]?.record ?? '';
    const told: VerifyProgress[] = [];
    connection.onNotification(VerifyProgressNotification, (message) => {
      assert.equal(message.reference, reference);
      told.push(message.progress);
    });
    const whole = await connection.sendRequest(VerifyRecordRequest, { folder, reference });
    assert.deepEqual([whole.ok, whole.records, whole.problems], [true, 1, []]);
    assert.deepEqual(told.at(-1), { what: 'objects', done: told.at(-1)?.total, total: told.at(-1)?.total });
    const digest = steps[0]?.outputs.o?.digest ?? '';
    fs.rmSync(join(folder, '.mlpipe', 'objects', digest.slice(7, 9), digest.slice(9)), { force: true });
    const broken = await connection.sendRequest(VerifyRecordRequest, { folder, reference });
    assert.equal(broken.ok, false);
    assert.deepEqual(
      broken.problems.map(({ code }) => code),
      ['object-missing'],
    );
    // So little is read within some milliseconds, before a cancellation has come; one of several is in time.
    const cancelled = async (): Promise<boolean> => {
      const cancel = new CancellationTokenSource();
      const answer = connection.sendRequest(VerifyRecordRequest, { folder, reference }, cancel.token);
      cancel.cancel();
      const end = await answer.catch((error: unknown) => error);
      return end instanceof ResponseError && (end.data as { code: string }).code === 'cancelled';
    };
    let wasCancelled = false;
    for (let attempt = 0; attempt < 30 && !wasCancelled; attempt += 1) wasCancelled = await cancelled();
    assert.ok(wasCancelled);
  });

  it('repairs a record from a remote, tells how far it is, and sets aside only what it is told to', async () => {
    const { file, folder } = start(QUICK);
    const { steps } = await connection.sendRequest(RunPipelineRequest, { file, steps: [] });
    const [reference, digest] = [steps[0]?.record ?? '', steps[0]?.outputs.o?.digest ?? ''];
    const object = join(folder, '.mlpipe', 'objects', digest.slice(7, 9), digest.slice(9));
    const damage = () => {
      fs.chmodSync(object, 0o644);
      fs.writeFileSync(object, 'jello\n');
      // As a disk damages it: nothing tells that it was written into.
      fs.utimesSync(object, new Date('2000-01-01T00:00:00Z'), new Date('2000-01-01T00:00:00Z'));
    };
    damage();
    const question = { folder, reference, setAsideLost: false };
    const alone = await connection.sendRequest(RepairRecordRequest, question);
    assert.deepEqual([alone.ok, alone.repair.lost, alone.repair.setAside], [false, [digest], []]);
    // Whatever is no plain `true` is no consent.
    await connection.sendRequest('mlpipe/repair', { folder, reference, setAsideLost: 'yes' });
    assert.equal(fs.readFileSync(object, 'utf8'), 'jello\n');

    const remote = fs.mkdtempSync(join(tmpdir(), 'mlpipe-rpc-remote-'));
    try {
      fs.rmSync(object);
      await api.withProject(folder, async (opened) => {
        const { addRemote } = await api.sharing.remotes();
        await addRemote(opened, 'shared', { url: remote });
        assert.equal((await api.run(opened, file, { force: true })).ok, true);
        await api.sharing.push(opened);
      });
      damage();
      const transfers: TransferProgress[] = [];
      const read: VerifyProgress[] = [];
      connection.onNotification(TransferNotification, (message) => {
        assert.equal(message.for, reference);
        transfers.push(message.progress);
      });
      connection.onNotification(VerifyProgressNotification, (message) => {
        assert.equal(message.reference, reference);
        read.push(message.progress);
      });
      const answer = await connection.sendRequest(RepairRecordRequest, question);
      assert.deepEqual([answer.ok, answer.problems], [true, []]);
      assert.deepEqual(answer.repair, {
        repaired: [{ digest, from: 'shared' }],
        lost: [],
        setAside: [],
        asked: ['shared'],
        silent: [],
      });
      assert.equal(fs.readFileSync(object, 'utf8'), 'hello\n');
      assert.ok(transfers.some(({ phase, objectsTotal }) => phase === 'objects' && objectsTotal === 1));
      // Once before, and once after.
      assert.equal(read.filter(({ what }) => what === 'records').length, 2);

      damage();
      fs.rmSync(remote, { recursive: true });
      const gone = await connection.sendRequest(RepairRecordRequest, { ...question, setAsideLost: true });
      assert.deepEqual([gone.ok, gone.repair.setAside], [false, [digest]]);
      assert.deepEqual(
        gone.repair.silent.map(({ remote: name }) => name),
        ['shared'],
      );
      assert.equal(fs.existsSync(object), false);
    } finally {
      fs.rmSync(remote, { recursive: true, force: true });
    }
  });

  it('gives what the command line gives', async () => {
    const { file } = start(QUICK);
    await connection.sendRequest(RunPipelineRequest, { file, steps: [] });
    const there = await connection.sendRequest(StatusRequest, { file });
    assert.deepEqual(there, await project.status());
  });

  it('ends a run whose request is cancelled', async () => {
    const { file } = start(SLOW);
    const cancel = new CancellationTokenSource();
    const running = connection.sendRequest(RunPipelineRequest, { file, steps: [] }, cancel.token);
    running.catch(() => undefined);
    await until(() => events.some(({ type }) => type === 'step-output'));
    const pid = events.flatMap((event) => (event.type === 'step-started' ? [event.pid ?? 0] : []))[0] ?? 0;
    assert(isRunning(pid));
    cancel.cancel();
    await until(() => !isRunning(pid));
    await until(() => events.some((event) => event.type === 'run-finished' && event.cancelled));
    // The runtime lives on.
    assert.equal((await connection.sendRequest(HelloRequest)).pid, runtime.pid);
  });

  it('tells of records that another process has written', async () => {
    const { folder } = start(QUICK);
    let told = 0;
    connection.onNotification(RecordsChangedNotification, (changed) => {
      assert.equal(changed.folder, folder);
      told += 1;
    });
    await connection.sendRequest(ModelsRequest, { folder });
    await project.run();
    await until(() => told > 0);
  });

  it('says what is wrong in a way that a person can act on', async () => {
    const { folder } = start(QUICK);
    await assert.rejects(connection.sendRequest(StatusRequest, { file: join(folder, 'nowhere.mlpipe') }), (error) => {
      assert(error instanceof ResponseError);
      assert.match(error.message, /nowhere\.mlpipe/);
      assert.equal((error.data as { code: string }).code, 'file-missing');
      return true;
    });
  });

  it('survives messages that are none', async () => {
    start(QUICK);
    await connection.sendRequest(HelloRequest);
    for (const body of ['{', '[]', 'null', '{"jsonrpc":"2.0","id":1}', '{"jsonrpc":"2.0","method":"mlpipe/nothing"}']) {
      runtime.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
    }
    assert.equal((await connection.sendRequest(HelloRequest)).pid, runtime.pid);
    await assert.rejects(connection.sendRequest('mlpipe/nothing'), { code: -32601 });
    await assert.rejects(connection.sendRequest('mlpipe/run', 'not an object'));
    assert.equal((await connection.sendRequest(HelloRequest)).pid, runtime.pid);
  });

  it('ends with who started it, and with it what it was running', async () => {
    const { file } = start(SLOW);
    connection.sendRequest(RunPipelineRequest, { file, steps: [] }).catch(() => undefined);
    await until(() => events.some(({ type }) => type === 'step-output'));
    const pid = events.flatMap((event) => (event.type === 'step-started' ? [event.pid ?? 0] : []))[0] ?? 0;
    runtime.stdin.end();
    await ended;
    await until(() => !isRunning(pid));
  });
});

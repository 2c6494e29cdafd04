/** A large upload that was killed goes on with the parts that are there, and leaves none behind. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { contentOf, type RemoteDriver, RemoteFault } from '../../runtime/store/remotes/driver.ts';
import { UnfinishedUploads } from '../../runtime/store/remotes/drivers/unfinished.ts';
import { openRemote } from '../../runtime/store/remotes/open.ts';
import { type Server, startMoto } from './servers/start.ts';
import { pseudoRandom, remove, temporaryFolder } from './support.ts';

const CHILD = fileURLToPath(new URL('upload-child.ts', import.meta.url));
const PART = 16 * 2 ** 20;
/** Five parts, the last a small one. */
const BYTES = 4 * PART + 12_345;
const NAME = 'objects/ab/large';

describe('a large upload to S3', function () {
  this.timeout(120_000);
  let folder: string;
  let server: Server;
  let moto = '';
  /** Stands before moto, and sees what is asked of it. */
  let front: http.Server;
  let endpoint = '';
  let asked: string[] = [];
  /** So many parts are passed on; of further ones nobody hears. */
  let partsAllowed = Number.POSITIVE_INFINITY;
  let parts = 0;
  /** Called before an answer is passed on; where it answers a number, that is what is answered. */
  let onAnswer: (request: string) => number | undefined = () => undefined;
  const content = pseudoRandom(BYTES);
  const sha256 = createHash('sha256').update(content).digest('hex');

  before(async function () {
    const started = await startMoto();
    if (started === undefined) {
      if (process.env.CI) throw new Error('moto is not on this machine.');
      this.skip();
    }
    server = started;
    Object.assign(process.env, server.environment);
    moto = String(server.settings?.endpoint);
    front = http.createServer((request, response) => {
      const words = `${request.method} ${request.url}`;
      if (words.startsWith('PUT') && words.includes('partNumber=')) {
        // It never gets an answer, as its sender will not live to see one.
        if (parts >= partsAllowed) return;
        parts += 1;
      }
      const upstream = http.request(`${moto}${request.url}`, { method: request.method, headers: request.headers });
      upstream.on('response', (answer) => {
        asked.push(words);
        const instead = onAnswer(words);
        if (instead === undefined) {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
          return;
        }
        answer.resume();
        response.writeHead(instead).end();
      });
      upstream.on('error', () => response.destroy());
      request.pipe(upstream);
    });
    await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
    const address = front.address();
    endpoint = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  });
  after(async () => {
    front?.closeAllConnections();
    front?.close();
    for (const name of Object.keys(server?.environment ?? {})) delete process.env[name];
    await server?.stop();
  });
  beforeEach(async () => {
    folder = temporaryFolder();
    asked = [];
    onAnswer = () => undefined;
    await fetch(`${moto}/moto-api/reset`, { method: 'POST' });
    await fetch(`${moto}/models`, { method: 'PUT' });
  });
  afterEach(() => remove(folder));

  const using = async <Result>(work: (driver: RemoteDriver) => Promise<Result>): Promise<Result> => {
    const settings = { url: 's3://models/of/all', endpoint, region: 'us-east-1', pathStyle: true };
    const driver = await openRemote(folder, { name: 'shared', settings }, folder);
    try {
      return await work(driver);
    } finally {
      await driver.close();
    }
  };
  const put = (bytes = content) =>
    using((driver) => driver.put(NAME, contentOf(bytes, createHash('sha256').update(bytes).digest('hex'))));
  const sentParts = () => asked.filter((each) => each.startsWith('PUT') && each.includes('partNumber=')).length;
  const begun = () => asked.filter((each) => each.startsWith('POST') && /[?&]uploads/.test(each)).length;
  const remembered = () => (fs.existsSync(join(folder, 'uploads')) ? fs.readdirSync(join(folder, 'uploads')) : []);
  const unfinishedThere = async () => {
    const text = await (await fetch(`${moto}/models?uploads`)).text();
    return [...text.matchAll(/<UploadId>/g)].length;
  };
  const mustBeThere = async () => {
    const found = Buffer.from(await (await fetch(`${moto}/models/of/all/${NAME}`)).arrayBuffer());
    assert.equal(createHash('sha256').update(found).digest('hex'), sha256);
  };
  /** Begins the upload in another process, which is killed when so many of its parts are there. */
  const killedAfter = async (count: number) => {
    let child: ChildProcess | undefined;
    [parts, partsAllowed] = [0, count];
    onAnswer = () => {
      if (sentParts() >= count) child?.kill('SIGKILL');
      return undefined;
    };
    const words = [CHILD, folder, endpoint, NAME, String(BYTES)];
    const started = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    child = started;
    const signal = await new Promise((resolve) => started.once('close', (_, how) => resolve(how)));
    assert.equal(signal, 'SIGKILL');
    onAnswer = () => undefined;
    partsAllowed = Number.POSITIVE_INFINITY;
    asked = [];
  };

  it('that was killed goes on: only the parts that are not there are sent, and nothing is left', async () => {
    await killedAfter(3);
    assert.equal(remembered().length, 1);
    assert.equal(await unfinishedThere(), 1);
    assert.equal(await put(), 'created');
    assert.deepEqual([begun(), sentParts()], [0, 2]);
    await mustBeThere();
    assert.deepEqual([remembered(), await unfinishedThere()], [[], 0]);
    assert.equal(await put(), 'present');
  });

  it('sends a part again that is not what it should be', async () => {
    await killedAfter(2);
    const [name = ''] = remembered();
    const { uploadId } = JSON.parse(fs.readFileSync(join(folder, 'uploads', name), 'utf8'));
    const wrong = Buffer.alloc(PART, 1);
    await fetch(`${moto}/models/of/all/${NAME}?partNumber=1&uploadId=${uploadId}`, { method: 'PUT', body: wrong });
    assert.equal(await put(), 'created');
    await mustBeThere();
  });

  it('begins again where the remote has thrown away what was there, or does not say what it has', async () => {
    await killedAfter(2);
    const [name = ''] = remembered();
    const { uploadId } = JSON.parse(fs.readFileSync(join(folder, 'uploads', name), 'utf8'));
    await fetch(`${moto}/models/of/all/${NAME}?uploadId=${uploadId}`, { method: 'DELETE' });
    assert.equal(await put(), 'created');
    assert.deepEqual([begun(), sentParts()], [1, 5]);
    await mustBeThere();
    await fetch(`${moto}/models/of/all/${NAME}`, { method: 'DELETE' });
    await killedAfter(2);
    onAnswer = (request) => (/^GET .*uploadId=/.test(request) ? 501 : undefined);
    assert.equal(await put(), 'created');
    assert.deepEqual([begun(), sentParts(), await unfinishedThere()], [1, 5, 0]);
    await mustBeThere();
  });

  it('that fails for a while goes on where it was, and one that cannot be sent is thrown away', async () => {
    onAnswer = (request) => (/partNumber=[45]&/.test(request) ? 503 : undefined);
    await assert.rejects(put(), (error) => error instanceof RemoteFault && error.kind === 'transient');
    assert.deepEqual([remembered().length, await unfinishedThere()], [1, 1]);
    onAnswer = () => undefined;
    asked = [];
    assert.equal(await put(), 'created');
    assert.ok(sentParts() <= 2, `${sentParts()} parts were sent again`);
    await mustBeThere();
    await fetch(`${moto}/models/of/all/${NAME}`, { method: 'DELETE' });
    onAnswer = (request) => (/partNumber=4&/.test(request) ? 400 : undefined);
    await assert.rejects(put(), (error) => error instanceof RemoteFault && error.kind === 'refused');
    assert.deepEqual([remembered(), await unfinishedThere()], [[], 0]);
  });

  it('is nobody’s but the one’s that works on it, and thrown away where nobody has come back for a week', async () => {
    const uploads = new UnfinishedUploads(folder);
    const wanted = { address: 'a', key: 'k', sha256, bytes: BYTES, part: PART };
    const claim = uploads.begin({ ...wanted, uploadId: 'one' });
    assert.equal(uploads.claim(wanted), undefined);
    claim.leave();
    assert.equal(uploads.claim({ ...wanted, key: 'other' }), undefined);
    const again = uploads.claim(wanted);
    assert.equal(again?.upload.uploadId, 'one');
    assert.equal(uploads.claim(wanted), undefined);
    again?.leave();
    assert.deepEqual(uploads.takeStale('a'), []);
    assert.deepEqual(uploads.takeStale('b', Date.now() + 8 * 86_400_000), []);
    assert.deepEqual(
      uploads.takeStale('a', Date.now() + 8 * 86_400_000).map(({ uploadId }) => uploadId),
      ['one'],
    );
    assert.deepEqual(remembered(), []);

    await killedAfter(2);
    const path = join(folder, 'uploads', remembered()[0] ?? '');
    const old = new Date(Date.now() - 8 * 86_400_000);
    fs.utimesSync(path, old, old);
    const other = pseudoRandom(BYTES).reverse();
    assert.equal(await put(other), 'created');
    assert.deepEqual([remembered(), await unfinishedThere()], [[], 0]);
    for (const garbage of ['', '{', '{"format":"mlpipe-upload/1"}']) {
      const left = uploads.begin({ ...wanted, uploadId: 'two' });
      left.leave();
      fs.writeFileSync(join(folder, 'uploads', remembered()[0] ?? ''), garbage);
      assert.equal(uploads.claim(wanted), undefined, garbage);
      assert.deepEqual(remembered(), []);
    }
  });
});

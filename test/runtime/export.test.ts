/** What is exported, before the official validator of each format. */
import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import fs from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import * as api from '../../runtime/api.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { type ExportOptions, type Format, layCrate } from '../../runtime/export/export.ts';
import { TemporaryProject } from './project.ts';
import { FILES } from './support/flowers.ts';
import { crateContext, installValidators, validate } from './support/validators.ts';

const SECRET = 'hunter2-very-secret';
const ABOUT = {
  description: 'Three kinds of flowers, made up.',
  license: 'CC0-1.0',
  url: 'https://example.org/flowers',
  creator: ['Ada Lovelace', { name: 'Example Society', kind: 'organization' }],
  datePublished: '2026-11-23',
  citeAs: 'A. Lovelace: Flowers',
};

describe('an export', function () {
  this.timeout(60_000);
  let project: TemporaryProject;
  let missing: string | undefined;

  before(async function () {
    this.timeout(500_000);
    missing = installValidators();
    project = new TemporaryProject({
      ...FILES,
      'flowers.csv.about.json': JSON.stringify(ABOUT),
      'flowers.mlpipe': `${FILES['flowers.mlpipe']}
step publish {
  run "echo published > \${note}"
  reads "all.txt"
  variable TOKEN = secret.TOKEN
  variable MODE = "quiet"
  writes note "note.txt"
}
`,
      'all.txt': 'all is well\n',
    });
    project.beginRepository();
    project.git('remote', 'add', 'origin', `https://ada:${SECRET}@example.org/ada/flowers.git`);
    process.env.TOKEN = SECRET;
    const { answer } = await project.run();
    delete process.env.TOKEN;
    assert.ok(answer.ok, JSON.stringify(answer.steps));
    for (const [name, options] of Object.entries({
      p256: generateKeyPairSync('ec', { namedCurve: 'P-256' }),
      ed25519: generateKeyPairSync('ed25519'),
    })) {
      fs.writeFileSync(project.path(`${name}.pem`), options.privateKey.export({ type: 'pkcs8', format: 'pem' }));
      fs.writeFileSync(project.path(`${name}.pub`), options.publicKey.export({ type: 'spki', format: 'pem' }));
    }
  });
  after(() => project?.remove());

  const write = async (reference: string, format: Format, options: Partial<ExportOptions> = {}) =>
    project.open((opened) => api.exportDocument(opened, reference, { format, version: '1.2.3', ...options }));
  /** Written to a file, which validators want. */
  const file = async (reference: string, format: Format, options: Partial<ExportOptions> = {}) => {
    const path = project.path(`${format}.json`);
    fs.writeFileSync(path, (await write(reference, format, options)).text);
    return path;
  };
  const official = (name: string, test: () => Promise<void>) =>
    it(name, async function () {
      if (missing !== undefined) {
        console.log(`    the validators cannot be installed here: ${missing}`);
        this.skip();
      }
      await test();
    });
  const code = (wanted: string) => (error: unknown) => error instanceof MlpipeError && error.code === wanted;

  official('as in-toto is a statement with SLSA provenance by their own definitions', async () => {
    const path = await file('learn', 'in-toto');
    assert.deepEqual(validate('in-toto', path), []);
    const statement = JSON.parse(fs.readFileSync(path, 'utf8'));
    const weights = statement.subject.find(({ name }: { name: string }) => name === 'learn/model/weights.bin');
    const bytes = fs.readFileSync(project.path('.mlpipe/outputs/flowers.mlpipe/learn/model/weights.bin'));
    const { digestOf } = await import('../../grammar/plan/canonical.ts');
    assert.equal(`sha256:${weights.digest.sha256}`, digestOf(bytes));
    fs.writeFileSync(path, JSON.stringify({ ...statement, predicate: { buildDefinitions: {} } }));
    assert.match(validate('in-toto', path).join(), /buildDefinitions/);
  });

  for (const key of ['p256', 'ed25519']) {
    official(
      `as in-toto is signed with ${key} so that securesystemslib verifies it, and refuses it when changed`,
      async () => {
        const path = await file('learn', 'in-toto', { key: project.path(`${key}.pem`) });
        assert.deepEqual(validate('dsse', path, project.path(`${key}.pub`)), []);
        const envelope = JSON.parse(fs.readFileSync(path, 'utf8'));
        envelope.payload = Buffer.from(`${Buffer.from(envelope.payload, 'base64')} `).toString('base64');
        fs.writeFileSync(path, JSON.stringify(envelope));
        assert.match(validate('dsse', path, project.path(`${key}.pub`)).join(), /threshold/);
      },
    );
  }

  official('as OpenLineage has a start and an end for each record, each facet by its schema', async () => {
    const path = await file('proof', 'openlineage');
    assert.deepEqual(validate('openlineage', path), []);
    const events = JSON.parse(fs.readFileSync(path, 'utf8'));
    assert.deepEqual(
      events.map(({ eventType }: { eventType: string }) => eventType).filter((each: string) => each !== 'START'),
      Array(events.length / 2).fill('COMPLETE'),
    );
    events[0].run.facets.executionParameters.parameters = undefined;
    events[0].job.facets.sourceCodeLocation.url = undefined;
    fs.writeFileSync(path, JSON.stringify(events));
    assert.match(validate('openlineage', path).join(), /url/);
  });

  official('as CycloneDX is an ML-BOM by the strict schema of 1.6', async () => {
    const path = await file('learn', 'cyclonedx');
    assert.deepEqual(validate('cyclonedx', path), []);
    const bom = JSON.parse(fs.readFileSync(path, 'utf8'));
    const [metric] = bom.metadata.component.modelCard.quantitativeAnalysis.performanceMetrics;
    assert.equal(metric.type, 'accuracy');
    assert.ok(Number(metric.confidenceInterval.lowerBound) < Number(metric.value));
    bom.metadata.component.type = 'model';
    fs.writeFileSync(path, JSON.stringify(bom));
    assert.notDeepEqual(validate('cyclonedx', path), []);
  });

  official("as Croissant is read row for row by MLCommons' loader", async () => {
    const path = await file('flowers', 'croissant');
    assert.deepEqual(validate('croissant', path, '60'), []);
    fs.appendFileSync(project.path('flowers.csv'), '1,1,1\n');
    assert.match(validate('croissant', path, '60').join(), /./);
    fs.writeFileSync(project.path('flowers.csv'), FILES['flowers.csv'] ?? '');
  });

  official('as RO-Crate is a folder that is a Workflow Run Crate', async () => {
    const folder = project.path('crate');
    const opened = api.openProject(project.folder);
    const document = await api.exportDocument(opened, 'learn', {
      format: 'ro-crate',
      version: '1.2.3',
      license: 'Apache-2.0',
    });
    await layCrate(opened.store, document, folder);
    await assert.rejects(layCrate(opened.store, document, folder), code('folder-taken'));
    opened.close();
    assert.deepEqual(validate('ro-crate', folder, crateContext(), 'REQUIRED'), []);
    assert.equal(fs.readFileSync(join(folder, 'flowers.mlpipe'), 'utf8'), project.read('flowers.mlpipe'));
    fs.rmSync(join(folder, 'flowers.csv'));
    assert.match(validate('ro-crate', folder, crateContext(), 'REQUIRED').join(), /flowers\.csv/);
  });

  official("is a model signature that OpenSSF's verifier accepts, and refuses once a file has changed", async () => {
    const path = await file('learn', 'model-signing', { key: project.path('p256.pem') });
    const copy = project.path('copy');
    fs.cpSync(project.path('.mlpipe/outputs/flowers.mlpipe/learn/model'), copy, { recursive: true });
    assert.deepEqual(validate('model-signing', path, copy, project.path('p256.pub')), []);
    fs.rmSync(join(copy, 'weights.bin'));
    fs.writeFileSync(join(copy, 'weights.bin'), 'other');
    assert.match(validate('model-signing', path, copy, project.path('p256.pub')).join(), /weights\.bin/);
  });

  it('is the same text each time', async () => {
    for (const format of ['in-toto', 'openlineage', 'cyclonedx', 'modelcard', 'ro-crate'] as const)
      assert.equal((await write('learn', format)).text, (await write('learn', format)).text, format);
    assert.equal((await write('flowers', 'croissant')).text, (await write('learn', 'croissant')).text);
  });

  it('holds no secret, neither of a step nor of an address', async () => {
    for (const format of ['in-toto', 'openlineage', 'ro-crate'] as const) {
      const { text } = await write('publish', format);
      assert.doesNotMatch(text, new RegExp(SECRET), format);
    }
    const { text } = await write('publish', 'openlineage');
    assert.match(text, /"MODE"/);
    assert.doesNotMatch(text, /"TOKEN"/);
    for (const format of ['cyclonedx', 'modelcard'] as const)
      assert.doesNotMatch((await write('learn', format)).text, new RegExp(SECRET), format);
  });

  it('says what it needs', async () => {
    await assert.rejects(write('learn', 'model-signing'), code('key-missing'));
    await assert.rejects(write('learn', 'model-signing', { key: project.path('ed25519.pem') }), code('key-unusable'));
    await assert.rejects(write('learn', 'in-toto', { key: project.path('flowers.csv') }), code('key-unusable'));
    await assert.rejects(write('learn', 'cyclonedx', { key: project.path('p256.pem') }), code('usage'));
    await assert.rejects(write('publish', 'cyclonedx'), code('model-unknown'));
    await assert.rejects(write('publish', 'croissant'), code('data-unknown'));
    await assert.rejects(write('flowers', 'croissant', { about: project.path('none.json') }), code('about-missing'));
    project.write('half.json', JSON.stringify({ ...ABOUT, license: undefined, creator: '' }));
    await assert.rejects(
      write('flowers', 'croissant', { about: project.path('half.json') }),
      (error) => code('about-wrong')(error) && /license, creator/.test(String(error)),
    );
  });

  describe('to a server', () => {
    let server: Server;
    let address = '';
    let answer: (count: number) => number | undefined = () => 201;
    const taken: { path: string; authorization: string | undefined; event: { eventType: string } }[] = [];
    before((done) => {
      server = createServer((request, response) => {
        let text = '';
        request.on('data', (part) => {
          text += part;
        });
        request.on('end', () => {
          const { authorization } = request.headers;
          taken.push({ path: request.url ?? '', authorization, event: JSON.parse(text) });
          const status = answer(taken.length);
          if (status !== undefined) response.writeHead(status, { location: 'http://127.0.0.1:9/' }).end('so it is');
        });
      }).listen(0, '127.0.0.1', () => {
        address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
        done();
      });
    });
    after(() => {
      server.closeAllConnections();
      server.close();
    });
    beforeEach(() => {
      taken.length = 0;
      answer = () => 201;
    });

    it('sends each event in order, with the name and password of the address in a header', async () => {
      const { sentTo } = await write('learn', 'openlineage', { to: `http://ada:pass%20word@${address}` });
      assert.equal(sentTo, `http://${address}/api/v1/lineage`);
      assert.deepEqual(
        taken.map(({ path, event }) => [path, event.eventType]),
        [
          ['/api/v1/lineage', 'START'],
          ['/api/v1/lineage', 'COMPLETE'],
        ],
      );
      assert.equal(taken[0]?.authorization, `Basic ${Buffer.from('ada:pass word').toString('base64')}`);
    });

    it('says that the server refused, and follows it nowhere', async () => {
      for (const status of [500, 302]) {
        answer = (count) => (count === 2 ? status : 201);
        taken.length = 0;
        await assert.rejects(
          write('learn', 'openlineage', { to: `http://${address}/events` }),
          (error) =>
            code('lineage-server')(error) && new RegExp(`event 2 of 2: it answered ${status}`).test(String(error)),
        );
      }
    });

    it('gives up a server that does not answer, and one that is not there', async () => {
      answer = () => undefined;
      const { sendEvents } = await import('../../runtime/export/send.ts');
      const events = JSON.parse((await write('learn', 'openlineage')).text);
      await assert.rejects(sendEvents(events, `http://${address}`, { milliseconds: 100 }), /no answer within 0\.1 s/);
      await assert.rejects(sendEvents(events, 'http://127.0.0.1:9/'), code('lineage-server'));
      await assert.rejects(sendEvents(events, 'file:///etc/passwd'), code('usage'));
    });
  });
});

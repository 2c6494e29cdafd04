/** `mlpipe reprotest` as a person and a program meet it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { ended, ensureBuilt, launch, mlpipe, remove, temporaryFolder, until } from './support.ts';

const PIPELINE = `pipeline stamps

step zone {
  run "date -d @0 +%H > \${hour}"
  writes hour "hour.txt"
}

step slow {
  run "test \\$TZ = UTC || sleep 60; echo done > \${word}"
  writes word "word.txt"
}
`;

describe('mlpipe reprotest', function () {
  this.timeout(60_000);
  let folder = '';
  before(async () => {
    ensureBuilt();
    folder = temporaryFolder();
    fs.writeFileSync(join(folder, 'stamps.mlpipe'), PIPELINE);
    assert.equal((await mlpipe(['run'], { folder })).code, 0);
  });
  after(() => remove(folder));

  it('answers 1 where the result depends on the time zone, as text', async () => {
    const { code, stdout, stderr } = await mlpipe(['reprotest', 'zone', '--vary', 'time-zone,umask'], { folder });
    assert.equal(code, 1, stderr);
    assert.match(stdout, /^zone: the result depends on the time zone$/m);
    assert.match(stdout, /^✗ {2}time-zone {2}UTC → Etc\/GMT-14 +inconclusive \(R0\): zone\.hour came out otherwise$/m);
    assert.match(stdout, /^✓ {2}umask .* its outputs have the same bits$/m);
    assert.match(stderr, /time-zone \(3 of at most 4\)/);
  });

  it('answers 0 where it does not, and in the shape that it publishes', async () => {
    const { code, stdout, stderr } = await mlpipe(['reprotest', 'zone', '--vary', 'umask,clock', '--json'], { folder });
    assert.equal(code, 0, stderr);
    const answer: unknown = JSON.parse(stdout);
    const schema: unknown = JSON.parse((await mlpipe(['schema', 'reprotest'], { folder })).stdout);
    const ajv = new Ajv2020({ strict: true, allowUnionTypes: true });
    assert.ok(ajv.validate(schema as object, answer), ajv.errorsText());
    // The schema has just been found to hold.
    const { ok, variations } = answer as { ok: boolean; variations: { variation: string }[] };
    assert.equal(ok, true);
    assert.deepEqual(
      variations.map(({ variation }) => variation),
      ['again', 'umask', 'clock'],
    );
  });

  it('refuses a variation that there is not, and asks for a name where there is no training', async () => {
    const wrong = await mlpipe(['reprotest', 'zone', '--vary', 'moon'], { folder });
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /moon is none of what can be varied\.\n {2}Next: Name some of seed, threads, /);
    const unnamed = await mlpipe(['reprotest'], { folder });
    assert.equal(unnamed.code, 2);
    assert.match(unnamed.stderr, /stamps has no training\.\n {2}Next: Name a step: zone, slow\./);
  });

  it('that is interrupted answers 130 and leaves nothing', async () => {
    const child = launch(['reprotest', 'slow', '--vary', 'time-zone'], { folder });
    let said = '';
    child.stderr?.on('data', (text: Buffer) => {
      said += text.toString();
    });
    const end = ended(child);
    await until(() => /time-zone \(3[\s\S]*▶ slow/.test(said), 'the program that waits runs', 40_000);
    child.kill('SIGINT');
    assert.equal((await end).code, 130, said);
    assert.deepEqual(fs.readdirSync(join(folder, '.mlpipe', 'reproductions')), []);
  });
});

/** `reproduce --clean`: the environment is provided anew, from the registry that npm is configured for. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, mlpipe, remove, temporaryFolder } from './support.ts';

/** Not the project's own, so that it has to be fetched. */
const NODE = '22.16.0';

describe('a reproduction that takes nothing from the cache', function () {
  this.timeout(180_000);
  let folder = '';
  before(async () => {
    ensureBuilt();
    folder = temporaryFolder();
    assert.equal((await mlpipe(['init'], { folder })).code, 0);
    const file = join(folder, 'moons.mlpipe');
    const text = fs.readFileSync(file, 'utf8');
    const [pin = ''] = /pin {3}sha256:\w+/.exec(text) ?? [];
    fs.writeFileSync(
      join(folder, 'copy.mjs'),
      'import fs from "node:fs"; fs.copyFileSync(...process.argv.slice(2));\n',
    );
    fs.writeFileSync(
      file,
      text.replace(
        /data points \{\n.*\n.*\n/,
        `environment tools {
  node "${NODE}"
}

data measured {
  from  "data/moons.csv"
  ${pin}
}

step copy {
  run     "node copy.mjs \${measured} \${table}"
  reads   "copy.mjs"
  in      tools
  writes  table "copy.csv"
}

data points {
  from  copy.table
`,
      ),
    );
  });
  after(() => remove(folder));

  it('needs no cache, and leaves none', async () => {
    const cache = join(folder, '.cache');
    const first = await mlpipe(['run'], { folder, environment: { MLPIPE_CACHE: cache } });
    assert.equal(first.code, 0, first.stderr);
    assert.ok(fs.existsSync(cache), 'the interpreter was provided into the cache');
    fs.rmSync(cache, { recursive: true });
    // A file where the cache should be: whoever needs it must fail.
    fs.writeFileSync(cache, '');
    const environment = { MLPIPE_CACHE: cache };
    const without = await mlpipe(['reproduce', 'learn'], { folder, environment });
    assert.notEqual(without.code, 0, without.stdout);
    const clean = await mlpipe(['reproduce', 'learn', '--clean'], { folder, environment });
    assert.equal(clean.code, 0, clean.stderr);
    assert.match(clean.stdout, /^bitwise /);
    assert.deepEqual(fs.readdirSync(join(folder, '.mlpipe', 'reproductions')), []);
  });
});

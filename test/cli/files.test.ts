/** Files that are not what one would wish for: what each command says, with what exit code, and what it leaves alone. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { type Answer, ensureBuilt, mlpipe, remove, temporaryFolder } from './support.ts';

const UNFORMATTED = 'param  a=1\n';
const FORMATTED = 'param a = 1\n';

const FILES: Record<string, string> = {
  'empty.mlpipe': '',
  'no-end.mlpipe': 'param a = 1',
  'marked.mlpipe': '\uFEFFparam a = 1\r\n',
  'nul.mlpipe': 'param a = 1\n\0\n',
  'circle-one.mlpipe': 'import x from "./circle-two.mlpipe"\nparam y = x\n',
  'circle-two.mlpipe': 'import y from "./circle-one.mlpipe"\nparam x = y\n',
  'itself.mlpipe': 'import x from "./itself.mlpipe"\nparam x = 1\n',
  'lost.mlpipe': 'import x from "./gone.mlpipe"\nparam y = x\n',
  'base.mlpipe': 'param base = 1\n',
  'left.mlpipe': 'import base from "./base.mlpipe"\nparam left = base\n',
  'right.mlpipe': 'import base from "./base.mlpipe"\nparam right = base\n',
  'diamond.mlpipe': 'import left from "./left.mlpipe"\nimport right from "./right.mlpipe"\nparam sum = left + right\n',
  'of-a-table.mlpipe': 'import x from "./table.csv"\nparam y = x\n',
  'of-a-folder.mlpipe': 'import x from "./folder"\nparam y = x\n',
  'table.csv': 'a,b\n1,2\n',
};

describe('odd files', () => {
  let folder = '';
  const call = (...words: string[]): Promise<Answer> => mlpipe(words, { folder });

  before(function () {
    this.timeout(120_000);
    ensureBuilt();
    folder = temporaryFolder();
    fs.mkdirSync(join(folder, 'folder'));
    for (const [name, text] of Object.entries(FILES)) fs.writeFileSync(join(folder, name), text);
  });
  after(() => remove(folder));

  /** The exit code of `check` and of `plan`, and what is said. */
  const cases: [file: string, check: number, plan: number, says: RegExp][] = [
    ['empty.mlpipe', 0, 0, /0 errors/],
    ['no-end.mlpipe', 0, 0, /0 errors/],
    ['marked.mlpipe', 0, 0, /0 errors/],
    ['nul.mlpipe', 2, 2, /not a text in UTF-8/],
    ['folder', 2, 2, /no pipeline in/],
    ['circle-one.mlpipe', 1, 1, /`y` → `x` → `y`: this goes in circles/],
    ['itself.mlpipe', 1, 1, /imports itself/],
    ['lost.mlpipe', 1, 1, /no pipeline at `\.\/gone\.mlpipe`/],
    ['diamond.mlpipe', 0, 0, /0 errors/],
    ['of-a-table.mlpipe', 1, 1, /`\.\/table\.csv` is no pipeline, for its name does not end in `\.mlpipe`/],
    ['of-a-folder.mlpipe', 1, 1, /`\.\/folder` is no pipeline/],
  ];
  for (const [file, check, plan, says] of cases) {
    it(`${file}: check answers ${check}, plan ${plan}, and dag, fmt and pin no worse`, async () => {
      const checked = await call('check', file);
      assert.equal(checked.code, check, checked.stderr);
      assert.match(checked.stdout + checked.stderr, says);
      assert.equal((await call('plan', file)).code, plan);
      for (const words of [
        ['dag', file],
        ['fmt', '--check', file],
        ['pin', '--file', file],
      ]) {
        const { code, stderr } = await call(...words);
        assert.ok(code === 0 || code === check || (code === 1 && words[0] === 'fmt'), `${words[0]}: ${code} ${stderr}`);
        assert.doesNotMatch(stderr, /^\s+at .*:\d+:\d+/m);
        assert.doesNotMatch(stderr, /a fault of mlpipe/);
      }
    });
  }

  it('formats what a link leads to, and leaves the link a link', async function () {
    if (process.platform === 'win32') this.skip();
    fs.writeFileSync(join(folder, 'real.mlpipe'), UNFORMATTED, { mode: 0o640 });
    fs.symlinkSync('real.mlpipe', join(folder, 'link.mlpipe'));
    assert.equal((await call('fmt', 'link.mlpipe')).code, 0);
    assert.ok(fs.lstatSync(join(folder, 'link.mlpipe')).isSymbolicLink());
    assert.equal(fs.readFileSync(join(folder, 'real.mlpipe'), 'utf8'), FORMATTED);
    assert.equal(fs.statSync(join(folder, 'real.mlpipe')).mode & 0o777, 0o640);
  });

  it('does not write what is read-only, and says so', async () => {
    const path = join(folder, 'read-only.mlpipe');
    fs.writeFileSync(path, UNFORMATTED);
    fs.chmodSync(path, 0o444);
    const { code, stderr } = await call('fmt', 'read-only.mlpipe');
    assert.equal(code, 2);
    assert.match(stderr, /read-only\.mlpipe cannot be written: it is read-only\.\n {2}Next: /);
    assert.equal(fs.readFileSync(path, 'utf8'), UNFORMATTED);
    assert.equal((await call('fmt', '--check', 'read-only.mlpipe')).code, 1);
    assert.deepEqual(
      fs.readdirSync(folder).filter((name) => name.endsWith('.tmp')),
      [],
    );
  });
});

/**
 * Nine months later: the author is gone, the data was overwritten and deleted, TensorFlow was upgraded. A stranger, who
 * has git and the remote and no network beyond them, gets the old code, the old data and the old TensorFlow, and the
 * model again, bit for bit.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt, mlpipe, remove, root, temporaryFolder } from '../cli/support.ts';
import { NEWEST, needTensorflow, OLDEST } from '../runtime/support/tensorflow.ts';

interface Reproduced {
  verdict: string;
  agreement: number;
  differences: { kind: string; name: string; recorded: string; now: string }[];
  record: string;
}

describe('nine months later', function () {
  if (process.platform !== 'linux') return;
  this.timeout(300_000);
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);
  const git = (where: string, who: string, ...words: string[]) =>
    execFileSync('git', ['-c', `user.name=${who}`, '-c', `user.email=${who.toLowerCase()}@example.org`, ...words], {
      cwd: at(where),
      stdio: ['ignore', 'pipe', 'pipe'],
    }).toString();
  const call = async (where: string, ...words: string[]) => {
    // Whoever asks for anything that is not in the user's cache, in git or on the remote, fails.
    const answer = await mlpipe(words, { folder: at(where), environment: { MLPIPE_OFFLINE: '1' } });
    assert.equal(answer.code, 0, `${words.join(' ')}: ${answer.stderr}${answer.stdout}`);
    return answer.stdout;
  };
  const edit = (from: string | RegExp, to: string) => {
    const file = at('author', 'digits.mlpipe');
    const before = fs.readFileSync(file, 'utf8');
    const after = before.replace(from, to);
    assert.notEqual(after, before);
    fs.writeFileSync(file, after);
  };

  before(async function () {
    await needTensorflow(this, OLDEST, NEWEST);
    ensureBuilt();
    folder = temporaryFolder();
    execFileSync('git', ['init', '-q', '--bare', '-b', 'main', at('origin.git')]);
    git('.', 'Ada', 'clone', '-q', 'origin.git', 'author');
    fs.cpSync(join(root, 'examples/digits/data'), at('author', 'data'), { recursive: true });
    fs.copyFileSync(join(root, 'examples/digits/digits.mlpipe'), at('author', 'digits.mlpipe'));
    edit('wasm "4.22.0"', `tensorflow "${OLDEST}"`);
    edit(/epochs {5}\d+/, 'epochs     4');
    edit('accuracy  >= 96%', 'accuracy  >= 80%');
    edit('loss      <= 0.20', 'loss      <= 2');
    git('author', 'Ada', 'add', '-A');
    git('author', 'Ada', 'commit', '-qm', 'Recognise digits');
    await call('author', 'run');
    await call('author', 'remote', 'add', 'shared', at('shared'));
    await call('author', 'push');
    git('author', 'Ada', 'add', '-A');
    git('author', 'Ada', 'commit', '-qm', 'What came out');

    const data = at('author', 'data/digits.csv');
    const rows = fs.readFileSync(data, 'utf8').split('\n');
    fs.writeFileSync(data, `${rows.slice(0, 1200).join('\n')}\n`);
    await call('author', 'pin', '--update');
    edit(`tensorflow "${OLDEST}"`, `tensorflow "${NEWEST}"`);
    git('author', 'Ada', 'commit', '-qam', 'Newer data, newer TensorFlow');
    git('author', 'Ada', 'rm', '-q', 'data/digits.csv');
    git('author', 'Ada', 'commit', '-qm', 'The data has moved');
    git('author', 'Ada', 'push', '-q', 'origin', 'HEAD:main');
    fs.rmSync(at('author'), { recursive: true });
    git('.', 'Grace', 'clone', '-q', 'origin.git', 'stranger');
  });
  after(() => folder && remove(folder));

  it('the model comes out again, bit for bit, from the old code, the old data and the old TensorFlow', async () => {
    assert.equal(fs.existsSync(at('stranger', 'data')), false);
    const found = JSON.parse(await call('stranger', 'reproduce', 'recognise', '--json')) as Reproduced;
    assert.equal(found.verdict, 'bitwise', JSON.stringify(found));
    assert.deepEqual(found.differences, []);
    const { record } = JSON.parse(await call('stranger', 'show', found.record, '--json'));
    assert.deepEqual(record.engine, { name: 'tensorflow', version: OLDEST });
    const trained = JSON.parse(await call('stranger', 'show', 'recognise', '--json')).record;
    assert.equal(trained.inputs[0].rows, 1797, 'of the day, not of today');
  });

  it('with the new TensorFlow it gives the same answers, and the verdict names what was upgraded', async () => {
    const found = JSON.parse(
      await call('stranger', 'reproduce', 'recognise', '--in', 'current', '--json'),
    ) as Reproduced;
    assert.ok(['numeric', 'within-tolerance'].includes(found.verdict), JSON.stringify(found));
    assert.deepEqual(
      found.differences.map(({ name, recorded, now }) => [name, recorded, now]),
      [['engine', `tensorflow ${OLDEST}`, `tensorflow ${NEWEST}`]],
    );
  });
});

/** Why a step ran again: two keys as two texts, and every line that differs is a reason. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import * as api from '../../runtime/api.ts';
import { TemporaryProject } from './project.ts';
import { FILES, flowers } from './support/flowers.ts';

const PIPELINE = 'flowers.mlpipe';

describe('why a step runs again', function () {
  this.timeout(60_000);
  let pristine: TemporaryProject;
  let project: TemporaryProject;
  before(async () => {
    pristine = new TemporaryProject(FILES);
    assert.equal((await pristine.run()).answer.ok, true);
  });
  after(() => pristine.remove());
  beforeEach(() => {
    project = new TemporaryProject({});
    fs.cpSync(pristine.folder, project.folder, { recursive: true, preserveTimestamps: true });
  });
  afterEach(() => project.remove());

  const why = (step: string) =>
    api.withProject(project.folder, (opened) => api.whyRerun(opened, project.path(PIPELINE), step));
  const edit = (from: string | RegExp, to: string) => {
    const text = project.read(PIPELINE);
    const edited = text.replace(from, to);
    assert.notEqual(edited, text);
    project.write(PIPELINE, edited);
  };
  /** The lines that stand on one side alone. */
  const differences = async (step: string): Promise<string[][]> => {
    const { keys } = await why(step);
    assert.ok(keys);
    const [before, after] = [keys.before.text.split('\n'), keys.after.text.split('\n')];
    return [before.filter((line) => !after.includes(line)), after.filter((line) => !before.includes(line))].map((all) =>
      all.map((line) => line.trim()),
    );
  };

  it('has no two keys where it ran once', async () => {
    assert.deepEqual(await why('learn'), { step: 'learn', reason: 'has never run', keys: null });
  });

  it('says all that the key depends on, one fact a line, sorted', async () => {
    edit('epochs 2', 'epochs 3');
    const { keys, reason } = await why('learn');
    assert.match(reason, /^epochs 2 → 3; /);
    assert.match(keys?.before.title ?? '', /^[a-z]+-[a-z]+-\d+, \d{4}-\d\d-\d\d \d\d:\d\d$/);
    assert.equal(keys?.after.title, 'now');
    const text = keys?.before.text ?? '';
    for (const line of [
      /^inputs\n {2}on \(data:flowers\) {2}60 rows, [\d,.]+ (?:bytes|KiB), sha256:[0-9a-f]{64}\n/,
      /\nsettings\n {2}batch {2}16\n {2}epochs {2}2\n {2}loss {2}crossEntropy\n/,
      /\n {2}optimizer {2}adam\n(?: {2}optimizer\.\w+ {2}\S+\n)* {2}optimizer\.rate {2}0\.05\n/,
      /\nmodel\n {2}input {2}width, height\n {2}shape {2}\[2\] → \[3\]\n {2}layer 1 {2}dense\(activation: relu, /,
      /\nhow the data is read\n {2}on column width {2}float\n {2}on column height {2}float\n {2}on column kind {2}class\(3\)\n/,
      /\n {2}on part {2}train\n {2}on split \w+ {2}\d0 %\n {2}on split \w+ {2}\d0 %\n {2}on split seed {2}1\n {2}on split stratify {2}kind\n/,
      /\nenvironment\n(?: {2}\S+ {2}.+\n)* {2}engine {2}wasm 4\.22\.0\n/,
    ])
      assert.match(text, line);
    assert.deepEqual(await differences('learn'), [['epochs  2'], ['epochs  3']]);
  });

  it('differs in just the line that was changed: data, a parameter, a layer, a command, a file', async () => {
    project.write('flowers.csv', flowers(63));
    await project.pin();
    const [before = [], after = []] = await differences('learn');
    assert.match(
      `${before}|${after}`,
      /^on \(data:flowers\) {2}60 rows, [^|,]+, sha256:\w+\|on \(data:flowers\) {2}63 rows, /,
    );
    project.write('flowers.csv', flowers());
    await project.pin();
    edit('rate = 0.05', 'rate = 0.06');
    assert.deepEqual(await differences('learn'), [
      ['optimizer.rate  0.05', 'rate  0.05'],
      ['optimizer.rate  0.06', 'rate  0.06'],
    ]);
    edit('rate = 0.06', 'rate = 0.05');
    edit('units: 8', 'units: 9');
    const [layer = []] = await differences('learn');
    assert.ok(layer.every((line) => /^layer 1 /.test(line)) && layer.length === 1, layer.join('\n'));
    edit('units: 9', 'units: 8');
    edit('cat note.txt >>', 'cat   note.txt >>');
    project.write('note.txt', 'another note\n');
    const [, program = []] = await differences('report');
    assert.match(program.join('\n'), /^file:note\.txt {2}13 bytes, sha256:\w+$/m);
    assert.equal(program.length, 1, 'spaces are the shell’s');
  });

  it('differs in nothing that is no part of the key', async () => {
    edit('param rate = 0.05', 'param rate = 0.05\nparam unused = 1');
    await project.run({ force: true, steps: ['learn'] });
    edit('unused = 1', 'unused = 2');
    edit(/flowers(?=\.(?:train|test|width|height|kind))|(?<=data )flowers/g, 'petals');
    edit('epochs 2', 'epochs 3');
    assert.deepEqual(await differences('learn'), [['epochs  2'], ['epochs  3']]);
  });

  it('compares the last two runs that differ, where it is up to date', async () => {
    edit('epochs 2', 'epochs 3');
    const { answer } = await project.run();
    await project.run({ force: true, steps: ['learn'] });
    const { reason, keys } = await why('learn');
    assert.deepEqual(await differences('learn'), [['epochs  2'], ['epochs  3']]);
    assert.notEqual(keys?.after.title, 'now');
    assert.match(reason, /forced|epochs 2 → 3/);
    // Its result depends on the model, which is another now.
    const [proof = []] = await differences('proof');
    assert.match(proof.join('\n'), /^model \(output:learn\.model\) {2}/m);
    assert.ok(answer.ok);
  });

  it('says what is left where the parts of a key are gone', async () => {
    const { keyParts } = project.record('learn');
    fs.rmSync(project.path(`.mlpipe/objects/${keyParts.slice(7, 9)}/${keyParts.slice(9)}`), { force: true });
    edit('epochs 2', 'epochs 3');
    const { keys } = await why('learn');
    assert.match(
      keys?.before.text ?? '',
      /^What this run depended on is no longer in the store\..*\n\ninputs\n {2}data:flowers {2}60 rows/,
    );
    assert.match(keys?.after.text ?? '', /epochs {2}3/);
  });

  it('refuses a step that there is not', async () => {
    await assert.rejects(why('nothing'), { code: 'step-unknown' });
  });
});

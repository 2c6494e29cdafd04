/** Small files of a project: whole or not at all, and never in the place of one that is to stay. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MlpipeError } from '../../runtime/errors.ts';
import { writeWhole } from '../../runtime/store/small-file.ts';

describe('a small file', () => {
  let folder: string;
  const at = (...names: string[]) => join(folder, ...names);
  beforeEach(() => {
    folder = fs.mkdtempSync(join(tmpdir(), 'mlpipe-small-'));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('is written into a folder that is made for it, and takes the place of the one before', () => {
    assert.equal(writeWhole(at('new', 'lock.json'), 'first'), true);
    assert.equal(writeWhole(at('new', 'lock.json'), 'second'), true);
    assert.equal(fs.readFileSync(at('new', 'lock.json'), 'utf8'), 'second');
    assert.deepEqual(fs.readdirSync(at('new')), ['lock.json']);
  });

  it('stays as it was written first, where it is not to be replaced', () => {
    assert.equal(writeWhole(at('model@1.json'), 'first', { replace: false, mode: 0o444 }), true);
    assert.equal(writeWhole(at('model@1.json'), 'second', { replace: false, mode: 0o444 }), false);
    assert.equal(fs.readFileSync(at('model@1.json'), 'utf8'), 'first');
    assert.equal(fs.statSync(at('model@1.json')).mode & 0o777, 0o444);
    assert.deepEqual(fs.readdirSync(folder), ['model@1.json']);
  });

  it('that cannot be written is told, and nothing of it is left', () => {
    fs.mkdirSync(at('taken', 'inside'), { recursive: true });
    assert.throws(() => writeWhole(at('taken'), 'text'), MlpipeError);
    assert.deepEqual(fs.readdirSync(folder), ['taken']);
  });
});

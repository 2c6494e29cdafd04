import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FIRST_PIPELINE } from '../../extension/features/walkthrough/template.ts';

const command = fileURLToPath(new URL('../../runtime/cli/main.ts', import.meta.url));

/** What the editor leaves when a person tabs through every stop and changes nothing. */
const untouched = FIRST_PIPELINE.replace(/\$\{\d+:([^}]*)\}/g, '$1');

describe('the first pipeline that the editor offers', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mlpipe-first-'));
    writeFileSync(join(folder, 'flowers.mlpipe'), untouched);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const mlpipe = (...words: string[]) =>
    spawnSync(process.execPath, [command, ...words], { cwd: folder, encoding: 'utf8' });

  it('lacks nothing but its data', () => {
    const found: { code: string; message: string }[] = JSON.parse(mlpipe('check', '--json').stdout);
    const aboutData = /^MLP2\d{3}$/;
    assert.deepEqual(
      found.filter(({ code }) => !aboutData.test(code)),
      [],
    );
  });

  it('is formatted as the formatter would', () => {
    const { status, stdout, stderr } = mlpipe('fmt', '--check');
    assert.equal(status, 0, stdout + stderr);
  });

  it('has nothing left to say once there are data and a pin', () => {
    mkdirSync(join(folder, 'data'));
    const rows = Array.from({ length: 60 }, (_, row) => `${row % 3},${row % 5},${row % 7},${row % 2},${row % 3}`);
    const header = 'petal0,petal1,petal2,petal3,kind';
    writeFileSync(join(folder, 'data/flowers.csv'), `${[header, ...rows].join('\n')}\n`);
    const pinned = mlpipe('pin');
    assert.equal(pinned.status, 0, pinned.stderr);
    const { stdout } = mlpipe('check', '--json');
    assert.deepEqual(JSON.parse(stdout), []);
  });
});

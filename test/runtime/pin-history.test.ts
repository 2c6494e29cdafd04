/** Who pinned it, when, and what was there before: asked of real repositories with a real git. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../../grammar/plan/canonical.ts';
import * as api from '../../runtime/api.ts';
import { PinHistories, type PinOrigin, type PinOwner } from '../../runtime/facts/pin-history.ts';

const digest = (letter: string) => `sha256:${letter.repeat(64)}` as const;

describe('where a pin comes from', function () {
  this.timeout(30_000);
  let folder: string;
  let second = 0;
  const path = (name = 'a.mlpipe') => join(folder, name);
  const git = (cwd: string, ...words: string[]) =>
    execFileSync('git', words, {
      cwd,
      env: {
        ...process.env,
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_AUTHOR_NAME: 'Ada Lovelace',
        GIT_AUTHOR_EMAIL: 'ada@example.org',
        GIT_COMMITTER_NAME: 'Bea',
        GIT_COMMITTER_EMAIL: 'bea@example.org',
        GIT_AUTHOR_DATE: `2026-01-02T03:04:${String(second).padStart(2, '0')}Z`,
      },
      encoding: 'utf8',
    }).trim();
  const write = (text: string, name?: string) => fs.writeFileSync(path(name), text);
  /** @returns the commit */
  const commit = (text: string, subject: string, name?: string) => {
    second += 1;
    write(text, name);
    git(folder, 'add', '--all');
    git(folder, 'commit', '--quiet', `--message=${subject}`);
    return git(folder, 'rev-parse', 'HEAD');
  };
  const data = (pin?: string, name = 'rows') =>
    ['pipeline p', '', `data ${name} {`, '  from "rows.csv"', ...(pin ? [`  pin  ${pin}`] : []), '}', ''].join('\n');
  const origin = (text: string, wanted: `sha256:${string}`, owner: PinOwner = { name: 'rows' }, name?: string) => {
    const line = text.split('\n').findIndex((each) => each.includes(wanted));
    assert.ok(line >= 0);
    return new PinHistories().originOf({ file: path(name), text, line, digest: wanted, owner });
  };
  const committed = (found: PinOrigin | undefined) => {
    assert.equal(found?.state, 'committed');
    // What has just been asserted.
    return found as Extract<PinOrigin, { state: 'committed' }>;
  };

  beforeEach(() => {
    second = 0;
    folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-pins-')));
    git(folder, 'init', '--quiet', '--initial-branch=main');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('says who, when and in which commit, and that there was nothing before', async () => {
    const id = commit(data(digest('a')), 'Pin the rows');
    assert.deepEqual(await origin(data(digest('a')), digest('a')), {
      state: 'committed',
      commit: { id, subject: 'Pin the rows' },
      who: 'Ada Lovelace',
      when: '2026-01-02T03:04:01.000Z',
      before: 'new',
    });
  });

  it('says what was pinned before, and whether it was', async () => {
    commit(data(), 'Begin');
    const pinned = commit(data(digest('a')), 'Pin');
    const again = commit(data(digest('b')), 'Pin anew');
    const now = committed(await origin(data(digest('b')), digest('b')));
    assert.deepEqual([now.commit.id, now.before], [again, digest('a')]);
    git(folder, 'checkout', '--quiet', pinned);
    const then = committed(await origin(data(digest('a')), digest('a')));
    assert.deepEqual([then.commit.id, then.before], [pinned, 'unpinned']);
  });

  it('follows a pin that was only moved, indented anew, renamed with its block or with its file', async () => {
    commit(data(), 'Begin');
    const pinned = commit(data(digest('a')), 'Pin');
    commit(data(digest('a')).replace('  pin  ', '    pin      '), 'Indent');
    commit(`pipeline p\n\n// Above.\n\n${data(digest('a')).slice('pipeline p\n\n'.length)}`, 'Move');
    const renamed = data(digest('a'), 'lines');
    commit(renamed, 'Rename the block');
    git(folder, 'mv', 'a.mlpipe', 'b.mlpipe');
    commit(renamed, 'Rename the file', 'b.mlpipe');
    const found = committed(await origin(renamed, digest('a'), { name: 'lines' }, 'b.mlpipe'));
    assert.deepEqual([found.commit.id, found.before], [pinned, 'unpinned']);
  });

  it('tells the pins of two blocks apart, whatever stands around them', async () => {
    const two = (one: string, other: string) =>
      `${data(one)}\ndata more {\n  from "more.csv"\n  pin  ${other}\n}\n\nenvironment here {\n  node "24.1.0" lock "l.json" pin ${one}\n}\n`;
    commit(two(digest('a'), digest('b')), 'Two');
    const second = commit(two(digest('a'), digest('c')), 'The second');
    const third = commit(two(digest('d'), digest('c')), 'The first and the lock file');
    const text = two(digest('d'), digest('c'));
    const more = committed(await origin(text, digest('c'), { name: 'more' }));
    assert.deepEqual([more.commit.id, more.before], [second, digest('b')]);
    const line = text.split('\n').findIndex((each) => each.includes('lock'));
    const question = {
      file: path(),
      text,
      line,
      digest: digest('d'),
      owner: { name: 'here', language: 'node' } as const,
    };
    const lock = committed(await new PinHistories().originOf(question));
    assert.deepEqual([lock.commit.id, lock.before], [third, digest('a')]);
  });

  it('says that a pin is not committed, and what the last commit has', async () => {
    assert.deepEqual(await origin(data(digest('a')), digest('a')), { state: 'file-uncommitted' });
    commit(data(digest('a')), 'Pin');
    // Typed and not saved.
    assert.deepEqual(await origin(data(digest('b')), digest('b')), { state: 'uncommitted', before: digest('a') });
    write(data(digest('c')));
    assert.deepEqual(await origin(data(digest('c')), digest('c')), { state: 'uncommitted', before: digest('a') });
  });

  it('knows when there is no repository, and when a clone is shallow', async () => {
    const outside = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-pins-')));
    const clone = `${folder}-clone`;
    try {
      const question = { text: data(digest('a')), line: 4, digest: digest('a'), owner: { name: 'rows' } };
      const found = await new PinHistories().originOf({ ...question, file: join(outside, 'a.mlpipe') });
      assert.deepEqual(found, { state: 'no-repository' });
      commit(data(digest('a')), 'Pin');
      commit(`${data(digest('a'))}\n`, 'More');
      git(folder, 'clone', '--quiet', '--depth=1', `file://${folder}`, clone);
      const cut = committed(await new PinHistories().originOf({ ...question, file: join(clone, 'a.mlpipe') }));
      assert.equal(cut.before, 'unknown');
    } finally {
      fs.rmSync(outside, { recursive: true, force: true });
      fs.rmSync(clone, { recursive: true, force: true });
    }
  });

  it('asks git once for the same text and commit, and ends when it is taken back', async () => {
    commit(data(digest('a')), 'Pin');
    const bin = join(folder, 'bin');
    const calls = join(folder, 'calls');
    const real = execFileSync('sh', ['-c', 'command -v git'], { encoding: 'utf8' }).trim();
    fs.mkdirSync(bin);
    fs.writeFileSync(join(bin, 'git'), `#!/bin/sh\necho x >> '${calls}'\nexec '${real}' "$@"\n`, { mode: 0o755 });
    const before = process.env.PATH;
    process.env.PATH = `${bin}:${before}`;
    try {
      const histories = new PinHistories();
      const question = { file: path(), text: data(digest('a')), line: 4, digest: digest('a'), owner: { name: 'rows' } };
      const first = await histories.originOf(question);
      const count = () => fs.readFileSync(calls, 'utf8').split('\n').length;
      const asked = count();
      assert.deepEqual(await histories.originOf(question), first);
      assert.equal(count() - asked, 1, 'only which commit is checked out');
      await assert.rejects(histories.originOf({ ...question, text: `${question.text}\n` }, AbortSignal.abort()));
    } finally {
      process.env.PATH = before;
    }
  });

  it('knows of a content what the store and the runs know', async () => {
    const csv = 'x,y\n1,0\n2,1\n';
    fs.writeFileSync(join(folder, 'rows.csv'), csv);
    const project = api.openProject(folder);
    try {
      const stored = await project.store.put(join(folder, 'rows.csv'));
      fs.mkdirSync(join(folder, 'many'));
      for (const name of ['a', 'b', 'c']) fs.writeFileSync(join(folder, 'many', name), name);
      // So many small files that the store packs them.
      for (let file = 0; file < 300; file += 1) fs.writeFileSync(join(folder, 'many', `file ${file}`), `${file}`);
      const packed = await project.store.put(join(folder, 'many'));
      fs.rmSync(join(folder, 'many'), { recursive: true });
      fs.mkdirSync(join(folder, 'many'));
      for (const name of ['a', 'b', 'c']) fs.writeFileSync(join(folder, 'many', name), name);
      const many = await project.store.put(join(folder, 'many'));
      commit(data(many.digest), 'Many');
      const text = data(stored.digest);
      const question = { file: path(), text, line: 4, digest: stored.digest, owner: { name: 'rows' } };
      const found = await api.pinHistory(project, new PinHistories(), question);
      assert.deepEqual(found.now, { digest: stored.digest, inStore: true, bytes: csv.length });
      assert.deepEqual(found.before, { digest: many.digest, inStore: true, bytes: 3, files: 3 });
      const one = digestOf('299');
      const inPack = await api.pinHistory(project, new PinHistories(), { ...question, digest: one });
      assert.deepEqual(inPack.now, { digest: one, inStore: true, bytes: 3 });
      assert.ok(!fs.existsSync(join(folder, '.mlpipe', 'objects', one.slice(7, 9), one.slice(9))), 'it is packed');
      const all = await api.pinHistory(project, new PinHistories(), { ...question, digest: packed.digest });
      assert.equal(all.now.files, 303);
      // A folder whose list of files is damaged is still a folder that the store has.
      const manifest = join(folder, '.mlpipe', 'objects', many.digest.slice(7, 9), many.digest.slice(9));
      fs.chmodSync(manifest, 0o644);
      fs.writeFileSync(manifest, fs.readFileSync(manifest, 'utf8').replace('"path":"a"', '"path":"x"'));
      const damaged = await api.pinHistory(project, new PinHistories(), { ...question, digest: many.digest });
      assert.deepEqual(damaged.now, { digest: many.digest, inStore: true });
    } finally {
      project.close();
    }
  });
});

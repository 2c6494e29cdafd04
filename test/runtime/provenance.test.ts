import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { withoutUrlCredentials } from '../../runtime/ledger/credentials.ts';
import { codeState, LARGEST_KEPT, where, who } from '../../runtime/ledger/provenance.ts';
import { openStore } from '../../runtime/store/open.ts';
import type { Store } from '../../runtime/store/store.ts';

let folder = '';
let store: Store;
let warnings: string[] = [];
beforeEach(() => {
  folder = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-provenance-')));
  fs.mkdirSync(join(folder, 'code'));
  store = openStore(join(folder, 'store'));
  warnings = [];
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

const code = () => join(folder, 'code');
const state = (where = code()) => codeState(where, store, (message) => warnings.push(message));

function git(where: string, ...args: string[]): string {
  const settings = [
    'user.name=Ada',
    'user.email=ada@example.org',
    'protocol.file.allow=always',
    'init.defaultBranch=main',
  ];
  const options = settings.flatMap((setting) => ['-c', setting]);
  return execFileSync('git', [...options, ...args], {
    cwd: where,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

function write(path: string, content: string | Buffer): void {
  fs.mkdirSync(dirname(join(code(), path)), { recursive: true });
  fs.writeFileSync(join(code(), path), content);
}

function commit(): string {
  git(code(), 'add', '--all');
  git(code(), 'commit', '--quiet', '--message', 'x');
  return git(code(), 'rev-parse', 'HEAD').trim();
}

describe('the state of the code', () => {
  it('is null outside a repository', async () => {
    assert.equal(await state(), null);
    assert.deepEqual(warnings, []);
  });

  it('is null where there is no git, and that is said', async () => {
    const path = process.env.PATH;
    process.env.PATH = join(folder, 'nothing');
    try {
      assert.equal(await state(), null);
      assert.match(warnings.join(), /git is not installed/);
    } finally {
      process.env.PATH = path;
    }
  });

  it('is commit, branch and remote, without the password', async () => {
    git(code(), 'init', '--quiet');
    write('a', 'a');
    const head = commit();
    git(code(), 'remote', 'add', 'origin', 'https://ada:hunter2@example.org/x.git');
    assert.deepEqual(await state(), {
      commit: head,
      branch: 'main',
      remote: 'https://example.org/x.git',
      dirty: false,
    });
    git(code(), 'checkout', '--quiet', '--detach');
    assert.equal((await state())?.branch, undefined);
  });

  it('has a patch that makes the very files again: changed, binary, renamed, deleted, new', async () => {
    git(code(), 'init', '--quiet');
    write('.gitignore', 'ignored\n');
    write('kept.txt', 'kept\n');
    write('changed.txt', 'before\n');
    write('binary', Buffer.from([0, 1, 2, 255]));
    write('old name', 'a file that moves\n');
    write('gone', 'gone\n');
    const head = commit();
    write('changed.txt', 'after\n');
    write('binary', Buffer.from([0, 255, 254, 1]));
    git(code(), 'mv', 'old name', 'new name');
    fs.rmSync(join(code(), 'gone'));
    write('deep/ü new', 'new\n');
    write('ignored', 'ignored\n');
    write('digits.mlpipe.lock/train.json', '{}');
    write('.mlpipe/objects/x', 'x');
    const index = fs.readFileSync(join(code(), '.git/index'));
    const result = await state();
    assert.equal(result?.commit, head);
    assert.equal(result?.dirty, true);
    assert.ok(result?.diff);
    assert.deepEqual(fs.readFileSync(join(code(), '.git/index')), index, 'the index of the repository was touched');
    const clone = join(folder, 'clone');
    git(folder, 'clone', '--quiet', code(), clone);
    fs.writeFileSync(join(folder, 'patch'), await store.read(result.diff));
    git(clone, 'apply', join(folder, 'patch'));
    const names = fs
      .readdirSync(clone, { recursive: true, encoding: 'utf8' })
      .filter((name) => !name.startsWith('.git/'));
    assert.deepEqual(names.sort(), [
      '.git',
      '.gitignore',
      'binary',
      'changed.txt',
      'deep',
      'deep/ü new',
      'kept.txt',
      'new name',
    ]);
    for (const name of ['binary', 'changed.txt', 'deep/ü new', 'new name']) {
      assert.deepEqual(fs.readFileSync(join(clone, name)), fs.readFileSync(join(code(), name)), name);
    }
  });

  it('is not another one because a run has written its lock', async () => {
    git(code(), 'init', '--quiet');
    write('a', 'a');
    commit();
    write('digits.mlpipe.lock/train.json', '{}');
    assert.equal((await state())?.dirty, false);
  });

  it('says which files are too large or may hold secrets, and does not keep them', async () => {
    git(code(), 'init', '--quiet');
    write('a', 'a');
    commit();
    write('large', Buffer.alloc(LARGEST_KEPT + 1));
    write('.env', 'PASSWORD=hunter2');
    write('deep/server.pem', 'hunter2');
    write('b', 'b');
    const result = await state();
    assert.deepEqual(result?.omitted, [
      { path: '.env', bytes: 16, reason: 'may hold secrets' },
      { path: 'deep/server.pem', bytes: 7, reason: 'may hold secrets' },
      { path: 'large', bytes: LARGEST_KEPT + 1, reason: 'too large' },
    ]);
    assert.ok(result?.diff);
    const patch = (await store.read(result.diff)).toString();
    assert.ok(!patch.includes('hunter2'));
    assert.ok(patch.includes('+b'));
  });

  it('in a repository without a commit is everything that is there', async () => {
    git(code(), 'init', '--quiet');
    write('a', 'hello\n');
    const result = await state();
    assert.equal(result?.commit, '0'.repeat(40));
    assert.equal(result?.dirty, true);
    assert.ok(result?.diff);
    fs.mkdirSync(join(folder, 'empty'));
    fs.writeFileSync(join(folder, 'patch'), await store.read(result.diff));
    git(join(folder, 'empty'), 'init', '--quiet');
    git(join(folder, 'empty'), 'apply', join(folder, 'patch'));
    assert.equal(fs.readFileSync(join(folder, 'empty/a'), 'utf8'), 'hello\n');
  });

  it('tells what is changed inside a submodule', async () => {
    const library = join(folder, 'library');
    fs.mkdirSync(library);
    git(library, 'init', '--quiet');
    fs.writeFileSync(join(library, 'a'), 'a\n');
    git(library, 'add', 'a');
    git(library, 'commit', '--quiet', '--message', 'x');
    git(code(), 'init', '--quiet');
    git(code(), 'submodule', '--quiet', 'add', library, 'library');
    commit();
    assert.equal((await state())?.dirty, false);
    write('library/a', 'changed\n');
    const result = await state();
    assert.equal(result?.dirty, true);
    const [submodule] = result?.submodules ?? [];
    assert.equal(submodule?.path, 'library');
    assert.ok(submodule?.state.diff);
    assert.match((await store.read(submodule.state.diff)).toString(), /\+changed/);
  });

  it('seen from a subfolder is that of the whole repository', async () => {
    git(code(), 'init', '--quiet');
    write('deep/a', 'a');
    commit();
    write('b', 'b\n');
    const result = await state(join(code(), 'deep'));
    assert.ok(result?.diff);
    assert.match((await store.read(result.diff)).toString(), /\+b/);
  });
});

describe('who and where', () => {
  it('are git’s name, the account and the host', async () => {
    git(code(), 'init', '--quiet');
    git(code(), 'config', 'user.name', 'Ada');
    git(code(), 'config', 'user.email', 'ada@example.org');
    const person = await who(code());
    assert.equal(person.name, 'Ada');
    assert.equal(person.email, 'ada@example.org');
    assert.ok(person.user.length > 0);
    assert.equal(where().platform, process.platform);
  });
});

describe('a URL in a record', () => {
  for (const [before, after] of [
    ['https://ada:pw@host/x', 'https://host/x'],
    ['https://token@host/x', 'https://host/x'],
    ['git+https://u:p@h/x#egg', 'git+https://h/x#egg'],
    ['ssh://git@host/x', 'ssh://git@host/x'],
    ['ssh://git:pw@host/x', 'ssh://git@host/x'],
    ['git@host:x.git', 'git@host:x.git'],
    ['postgres://ada:p%40w@db:5432/x', 'postgres://db:5432/x'],
    ['s3://bucket/x?X-Amz-Signature=abc&a=1', 's3://bucket/x?X-Amz-Signature=…&a=1'],
    ['https://host/path@2.0/x', 'https://host/path@2.0/x'],
    ['failed: https://a:b@h/x and https://c:d@h/y', 'failed: https://h/x and https://h/y'],
  ] as const) {
    it(`${after} carries no secret`, () => assert.equal(withoutUrlCredentials(before), after));
  }
});

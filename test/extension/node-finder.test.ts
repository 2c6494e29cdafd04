import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNode, type NodeQuestion } from '../../extension/infrastructure/node-finder.ts';
import { isNewEnough } from '../../extension/infrastructure/node-version.ts';

const OLD_EDITOR = { execPath: '/opt/editor', node: '20.18.1', electron: '32.0.0' };

describe('the Node that runs the runtime', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mlpipe-node-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const question = (rest: Partial<NodeQuestion> = {}): NodeQuestion => ({
    floor: '>=22.14',
    setting: '',
    folders: [folder],
    trusted: true,
    ...rest,
  });

  /** A program that answers `--version` as Node does. */
  async function program(path: string, version: string): Promise<string> {
    await mkdir(join(path, '..'), { recursive: true });
    await writeFile(path, `#!/bin/sh\necho v${version}\n`);
    await chmod(path, 0o755);
    return path;
  }

  async function projectNode(): Promise<string> {
    const path = join(folder, 'node_modules/.bin/node');
    await mkdir(join(path, '..'), { recursive: true });
    await symlink(process.execPath, path);
    return path;
  }

  it('is the editor’s own where that is new enough', async () => {
    await projectNode();
    const node = await findNode(question({ editor: { execPath: '/opt/editor', node: '24.2.0', electron: undefined } }));
    assert.deepEqual(node, { path: '/opt/editor', version: '24.2.0', environment: {}, origin: 'editor' });
  });

  it('is told to run as Node where it is Electron', async () => {
    const node = await findNode(question({ editor: { ...OLD_EDITOR, node: '22.14.0' } }));
    assert.deepEqual('problem' in node ? node : node.environment, { ELECTRON_RUN_AS_NODE: '1' });
  });

  it('is the project’s where the editor’s is too old', async () => {
    const path = await projectNode();
    const node = await findNode(question({ editor: OLD_EDITOR }));
    assert.deepEqual(node, { path, version: process.versions.node, environment: {}, origin: 'project' });
  });

  it('is never a program of a folder that is not trusted', async () => {
    const path = await projectNode();
    const node = await findNode(question({ editor: OLD_EDITOR, trusted: false, setting: path }));
    assert.ok('problem' in node);
    assert.match(node.todo, /trust this workspace/);
  });

  it('is what the setting names, before all others', async () => {
    await program(join(folder, 'tools/node'), '23.1.0');
    const node = await findNode(question({ setting: 'tools/node' }));
    assert.deepEqual('problem' in node ? node : [node.version, node.origin], ['23.1.0', 'setting']);
  });

  it('says what is wrong with a setting that names an old Node, no program, or nothing', async () => {
    const old = await program(join(folder, 'old'), '20.1.0');
    const text = join(folder, 'notes.txt');
    await writeFile(text, 'no program');
    for (const [setting, problem] of [
      [old, /names Node 20\.1\.0, and mlpipe needs Node 22\.14 or newer/],
      [text, /is no Node that can be run/],
      [join(folder, 'missing'), /is no Node that can be run/],
    ] as const) {
      const node = await findNode(question({ setting }));
      assert.ok('problem' in node, setting);
      assert.match(node.problem, problem);
      assert.match(node.todo, /setting/);
    }
  });

  it('is missing, and what to do is said, where all are too old', async () => {
    await program(join(folder, 'node_modules/.bin/node'), '18.0.0');
    const node = await findNode(question({ editor: OLD_EDITOR }));
    assert.ok('problem' in node);
    assert.match(node.problem, /needs Node 22\.14 or newer, and this editor brings Node 20\.18\.1/);
    assert.match(node.todo, /npm install node/);
  });
});

describe('comparing versions of Node', () => {
  for (const [version, enough] of [
    ['22.14.0', true],
    ['v22.14.1', true],
    ['24.0.0', true],
    ['22.9.0', false],
    ['20.20.2', false],
    ['nothing', false],
  ] as const) {
    it(`finds ${version} ${enough ? 'new enough' : 'too old'} for >=22.14`, () => {
      assert.equal(isNewEnough(version, '>=22.14'), enough);
    });
  }
});

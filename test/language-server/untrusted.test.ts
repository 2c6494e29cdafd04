/** What a server does in a folder that is not trusted: it reads, and neither runs nor leaves anything. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from './client.ts';

const TEXT = `pipeline p

environment here {
  python  "3.11.9" lock "requirements.txt"
}

data d {
  from  "a.csv"
  schema {
    x  float
    z  class(2)
  }
}

step look {
  run     "python look.py \${out}"
  reads   "look.py"
  in      here
  writes  out "out.txt"
}
`;

describe('a server in a folder', () => {
  let folder: string;
  let bin: string;
  let ran: string;
  before(function () {
    // The traps are shell scripts.
    if (process.platform === 'win32') this.skip();
  });
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'mlpipe-untrusted-test-')));
    const project = join(folder, 'project');
    await mkdir(project);
    await writeFile(join(project, 'a.csv'), 'x,y\n1,0\n2,1\n');
    await writeFile(join(project, 'a.mlpipe'), TEXT);
    await writeFile(join(project, 'look.py'), 'print(1)\n');
    await writeFile(join(project, 'requirements.txt'), 'numpy\n');
    execFileSync('git', ['init', '-q', project]);
    // Whatever program the server would start, it finds these first, and they tell of it.
    bin = join(folder, 'bin');
    ran = join(folder, 'ran');
    await mkdir(bin);
    for (const name of ['git', 'python', 'python3', 'node', 'nvidia-smi', 'strace', 'uv']) {
      await writeFile(join(bin, name), `#!/bin/sh\necho ${name} >> '${ran}'\nexit 1\n`);
      await chmod(join(bin, name), 0o755);
    }
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Opens the pipeline, and waits until what the world says of it is told: the column that the file has not. */
  async function lookAt(trusted: boolean): Promise<string[]> {
    const project = join(folder, 'project');
    const uri = pathToFileURL(join(project, 'a.mlpipe')).toString();
    const client = await Client.start({
      folders: [pathToFileURL(project).toString()],
      initializationOptions: { trusted },
      env: { PATH: `${bin}${delimiter}${process.env.PATH}`, TMPDIR: folder },
    });
    try {
      await client.open(uri, TEXT);
      await client.diagnostics(uri, ({ diagnostics }) => diagnostics.some(({ code }) => code === 'MLP2007'));
    } finally {
      await client.request('shutdown', null);
      await client.notify('exit', null);
      await client.until('the end of the server', () => client.process.exitCode !== null);
    }
    const names = await readFile(ran, 'utf8').catch(() => '');
    return names.split('\n').filter((name) => name !== '');
  }

  it('that is trusted starts programs to find out', async () => {
    assert((await lookAt(true)).length > 0);
  });

  it('that is not trusted starts none, and leaves the folder as it was', async () => {
    assert.deepEqual(await lookAt(false), []);
    assert.deepEqual((await readdir(join(folder, 'project'))).sort(), [
      '.git',
      'a.csv',
      'a.mlpipe',
      'look.py',
      'requirements.txt',
    ]);
    assert.deepEqual(
      (await readdir(folder)).filter((name) => name.startsWith('mlpipe-untrusted-') && !name.includes('test')),
      [],
      'its own store is gone with it',
    );
  });
});

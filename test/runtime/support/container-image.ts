/** A container image made of this machine's own shell, and a runtime that is seen to run it. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { type ContainerRuntime, findRuntime } from '../../../runtime/environment/container/runtimes.ts';

export interface TestImage {
  runtime: ContainerRuntime;
  /** `localhost/mlpipe-test@sha256:…` */
  reference: string;
  digest: string;
  remove(): void;
}

const PROGRAMS = ['sh', 'cat', 'id', 'sleep', 'ls'];

/** For machines that may not raise limits, as containers themselves are, and whose crun knows no old control groups. */
const CAREFUL = `[engine]
runtime = "runc"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]
`;

/**
 * Makes an image of a folder and runs it once; sets CONTAINERS_CONF where only that helps.
 *
 * @returns in words why no image can be run here
 */
export async function makeImage(folder: string): Promise<TestImage | string> {
  const { runtime, broken } = await findRuntime();
  if (runtime === undefined)
    return broken.map(({ name, why }) => `${name}: ${why}`).join('; ') || 'no container runtime is installed';
  if (runtime.name === 'apptainer') return 'apptainer cannot import a folder as an image with a digest';
  const call = (...words: string[]) =>
    execFileSync(runtime.program, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
  try {
    const archive = packRoot(join(folder, 'root'), join(folder, 'root.tar'));
    const name = 'localhost/mlpipe-test';
    call('import', archive, `${name}:latest`);
    const digest = /sha256:[0-9a-f]{64}/.exec(
      call('image', 'inspect', '--format', '{{json .RepoDigests}}', `${name}:latest`),
    )?.[0];
    if (digest === undefined) return `${runtime.name} gives an imported image no digest`;
    const reference = `${name}@${digest}`;
    const once = () => call('run', '--rm', '--network', 'none', '--entrypoint', '/bin/sh', reference, '-c', 'id');
    try {
      once();
    } catch {
      const configuration = join(folder, 'containers.conf');
      fs.writeFileSync(configuration, CAREFUL);
      process.env.CONTAINERS_CONF = configuration;
      once();
    }
    return { runtime, reference, digest, remove: () => call('image', 'rm', '--force', `${name}:latest`) };
  } catch (error) {
    return `${runtime.name} cannot run an image here: ${(error instanceof Error ? error.message : String(error)).trim().split('\n').at(-1)}`;
  }
}

/** A few programs with the libraries that they are linked to, and a file that says whose they are. */
function packRoot(root: string, archive: string): string {
  const copy = (path: string) => {
    fs.mkdirSync(join(root, dirname(path)), { recursive: true });
    fs.copyFileSync(fs.realpathSync(path), join(root, path));
  };
  for (const name of PROGRAMS) {
    const path = ['/bin', '/usr/bin'].map((folder) => join(folder, name)).find((each) => fs.existsSync(each));
    if (path === undefined) throw new Error(`There is no ${name}.`);
    copy(path);
    if (!path.startsWith('/bin/')) fs.copyFileSync(fs.realpathSync(path), join(root, 'bin', name));
    const linked = execFileSync('ldd', [path], { encoding: 'utf8' });
    for (const [library] of linked.matchAll(/\/[^\s)]+/g)) copy(library);
  }
  for (const each of ['tmp', 'proc', 'dev', 'sys', 'etc']) fs.mkdirSync(join(root, each), { recursive: true });
  fs.writeFileSync(join(root, 'etc', 'whose'), 'of the image\n');
  execFileSync('tar', ['-cf', archive, '-C', root, '.']);
  return archive;
}

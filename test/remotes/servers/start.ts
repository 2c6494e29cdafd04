/** Real servers on free ports of this machine, each for one suite and gone after it. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Server {
  url: string;
  settings?: Record<string, unknown>;
  environment?: Record<string, string>;
  stop(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('There is no free port.');
  return address.port;
}

async function serving(child: ChildProcess, port: number, what: string): Promise<void> {
  let said = '';
  child.stderr?.on('data', (part) => {
    said += part;
  });
  const end = Date.now() + 30_000;
  while (Date.now() < end) {
    if (child.exitCode !== null) throw new Error(`${what} ended: ${said}`);
    const open = await new Promise<boolean>((resolve) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('close', () => socket.destroy());
      socket.once('connect', () => socket.end());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what} did not start: ${said}`);
}

function stopping(child: ChildProcess): () => Promise<void> {
  return () =>
    new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null) {
        resolve();
        return;
      }
      child.once('close', () => resolve());
      child.kill('SIGTERM');
      setTimeout(() => child.kill('SIGKILL'), 2000).unref();
    });
}

const exists = (...paths: string[]) => paths.find((path) => fs.existsSync(path));

/** OpenSSH's server with keys of its own; `ssh` in `environment` is one that knows them. */
export async function startSsh(folder: string): Promise<Server | undefined> {
  const sshd = exists('/usr/sbin/sshd');
  const sftp = exists('/usr/lib/openssh/sftp-server', '/usr/libexec/openssh/sftp-server');
  if (sshd === undefined || sftp === undefined) return undefined;
  fs.mkdirSync(join(folder, 'bin'), { recursive: true });
  const port = await freePort();
  for (const name of ['host', 'user']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
  }
  fs.copyFileSync(join(folder, 'user.pub'), join(folder, 'authorized'));
  fs.writeFileSync(
    join(folder, 'sshd_config'),
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${join(folder, 'host')}`,
      `AuthorizedKeysFile ${join(folder, 'authorized')}`,
      `PidFile ${join(folder, 'pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PasswordAuthentication no',
      'PermitRootLogin yes',
      `Subsystem sftp ${sftp}`,
      '',
    ].join('\n'),
  );
  const config = [
    `IdentityFile ${join(folder, 'user')}`,
    'IdentitiesOnly yes',
    `UserKnownHostsFile ${join(folder, 'known')}`,
    'StrictHostKeyChecking accept-new',
    '',
  ];
  fs.writeFileSync(join(folder, 'ssh_config'), config.join('\n'));
  const ssh = join(folder, 'bin', 'ssh');
  fs.writeFileSync(ssh, `#!/bin/sh\nexec /usr/bin/ssh -F '${join(folder, 'ssh_config')}' "$@"\n`, { mode: 0o755 });
  // The server wants this folder, which a machine without its service may lack.
  if (process.getuid?.() === 0) fs.mkdirSync('/run/sshd', { recursive: true });
  const child = spawn(sshd, ['-D', '-e', '-f', join(folder, 'sshd_config')], { stdio: ['ignore', 'ignore', 'pipe'] });
  await serving(child, port, 'sshd');
  return {
    url: `ssh://${userInfo().username}@127.0.0.1:${port}${join(folder, 'models')}`,
    environment: { PATH: `${join(folder, 'bin')}:${process.env.PATH}` },
    stop: stopping(child),
  };
}

/** Apache with mod_dav, in the foreground and as whoever runs the tests. */
export async function startWebDav(folder: string): Promise<Server | undefined> {
  const apache = exists('/usr/sbin/apache2');
  const modules = exists('/usr/lib/apache2/modules');
  if (apache === undefined || modules === undefined) return undefined;
  const port = await freePort();
  fs.mkdirSync(join(folder, 'files'), { recursive: true });
  const root = process.getuid?.() === 0;
  // As root it gives its rights away, to one who must then be able to write.
  if (root) {
    fs.chmodSync(dirname(folder), 0o755);
    fs.chmodSync(folder, 0o777);
    fs.chmodSync(join(folder, 'files'), 0o777);
  }
  const load = (name: string) => `LoadModule ${name}_module ${modules}/mod_${name}.so`;
  fs.writeFileSync(
    join(folder, 'passwords'),
    `ada:${execFileSync('openssl', ['passwd', '-apr1', 'secret']).toString()}`,
  );
  fs.writeFileSync(
    join(folder, 'apache.conf'),
    [
      `ServerRoot ${folder}`,
      `Listen 127.0.0.1:${port}`,
      'ServerName localhost',
      ...['mpm_event', 'authz_core', 'authn_core', 'authn_file', 'authz_user', 'auth_basic', 'dav', 'dav_fs'].map(load),
      `PidFile ${folder}/pid`,
      `ErrorLog ${folder}/error.log`,
      `Mutex file:${folder} default`,
      `DavLockDB ${folder}/lock`,
      `DocumentRoot ${folder}/files`,
      ...(root ? ['User nobody', 'Group nogroup'] : []),
      `<Directory ${folder}/files>`,
      'Dav On',
      'AuthType Basic',
      'AuthName models',
      `AuthUserFile ${folder}/passwords`,
      'Require valid-user',
      '</Directory>',
      '',
    ].join('\n'),
  );
  const child = spawn(apache, ['-X', '-f', join(folder, 'apache.conf')], { stdio: ['ignore', 'ignore', 'pipe'] });
  await serving(child, port, 'apache2');
  return {
    url: `dav://127.0.0.1:${port}/models`,
    environment: { MLPIPE_REMOTE_SHARED_USER: 'ada', MLPIPE_REMOTE_SHARED_PASSWORD: 'secret' },
    stop: stopping(child),
  };
}

const S3RVER = 's3rver@3.7.1';

/** s3rver, which a cache folder gets from the registry; nothing where it cannot be had. */
export async function startS3(folder: string): Promise<Server | undefined> {
  const cache = fileURLToPath(new URL('../../../node_modules/.cache/mlpipe-s3rver', import.meta.url));
  const program = join(cache, 'node_modules', 's3rver', 'bin', 's3rver.js');
  if (!fs.existsSync(program)) {
    fs.mkdirSync(cache, { recursive: true });
    fs.writeFileSync(join(cache, 'package.json'), '{"private":true}\n');
    const words = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', S3RVER];
    try {
      execFileSync('npm', words, { cwd: cache, stdio: 'ignore', timeout: 120_000 });
    } catch {
      return undefined;
    }
  }
  const port = await freePort();
  fs.mkdirSync(folder, { recursive: true });
  const words = ['-a', '127.0.0.1', '-p', String(port), '-d', folder, '-s', '--configure-bucket', 'models'];
  const child = spawn(process.execPath, [program, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
  await serving(child, port, 's3rver');
  return {
    url: 's3://models/of/all',
    settings: { endpoint: `http://127.0.0.1:${port}`, region: 'us-east-1', pathStyle: true },
    environment: { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER', AWS_EC2_METADATA_DISABLED: 'true' },
    stop: stopping(child),
  };
}

const MOTO = 'moto[server]==5.2.1';

/** moto, which knows more of S3 than s3rver: what lies there of an upload in parts. Its bucket is `models`. */
export async function startMoto(): Promise<Server | undefined> {
  const python = pythonWithMoto();
  if (python === undefined) return undefined;
  const port = await freePort();
  const words = ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)];
  const child = spawn(python, words, { stdio: ['ignore', 'ignore', 'pipe'] });
  await serving(child, port, 'moto');
  const endpoint = `http://127.0.0.1:${port}`;
  await fetch(`${endpoint}/models`, { method: 'PUT' });
  return {
    url: 's3://models/of/all',
    settings: { endpoint, region: 'us-east-1', pathStyle: true },
    environment: { AWS_ACCESS_KEY_ID: 'moto', AWS_SECRET_ACCESS_KEY: 'moto', AWS_EC2_METADATA_DISABLED: 'true' },
    stop: stopping(child),
  };
}

/** A Python that has it, or one of our own that gets it from the index; nothing where it cannot be had. */
function pythonWithMoto(): string | undefined {
  const cache = fileURLToPath(new URL('../../../node_modules/.cache/mlpipe-moto', import.meta.url));
  const own = join(cache, 'bin', 'python3');
  const has = (python: string) => {
    try {
      execFileSync(python, ['-c', 'import moto.server, flask'], { stdio: 'ignore', timeout: 60_000 });
      return true;
    } catch {
      return false;
    }
  };
  const found = ['python3', own].find(has);
  if (found !== undefined) return found;
  try {
    execFileSync('python3', ['-m', 'venv', cache], { stdio: 'ignore', timeout: 120_000 });
    execFileSync(own, ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', MOTO], {
      stdio: 'ignore',
      timeout: 300_000,
    });
  } catch {
    return undefined;
  }
  return has(own) ? own : undefined;
}

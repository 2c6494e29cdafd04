/**
 * Programs and packages that are measured beside mlpipe and that it does not itself depend on. They are installed into
 * a temporary folder, which all benchmarks of one `npm run bench` share; what cannot be had is said, and left out.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { missing, peer } from './report.ts';

const DVC = '3.67.1';

/** The versions that are asked for. None of these packages has an install script. */
const PACKAGES = { papaparse: '5.7.1', 'csv-parse': '7.0.3', '@duckdb/node-api': '1.5.6-r.1' } as const;
export type PackagePeer = keyof typeof PACKAGES;

/** Where `all.ts` sets no folder for them, they go when this process ends. */
function peersFolder(): string {
  const shared = process.env.MLPIPE_BENCH_PEERS;
  if (shared !== undefined) {
    mkdirSync(shared, { recursive: true });
    return shared;
  }
  const own = mkdtempSync(join(tmpdir(), 'mlpipe-peers-'));
  process.env.MLPIPE_BENCH_PEERS = own;
  process.on('exit', () => rmSync(own, { recursive: true, force: true }));
  return own;
}

/** Installs packages and answers a folder in which they resolve, with those that are really there. */
export function installPackages(names: readonly PackagePeer[]): { folder: string; installed: PackagePeer[] } {
  const folder = join(peersFolder(), 'packages');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, 'package.json'))) writeFileSync(join(folder, 'package.json'), '{"private":true}\n');
  const installed: PackagePeer[] = [];
  for (const name of names) {
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    const { status, stderr, error } = spawnSync('npm', ['install', ...options, `${name}@${PACKAGES[name]}`], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 180_000,
    });
    if (status === 0) {
      installed.push(name);
      peer(name, PACKAGES[name]);
    } else missing(name, firstLine(error?.message ?? stderr));
  }
  return { folder, installed };
}

export interface Dvc {
  program: string;
  /** Keeps DVC's own caches and settings inside the temporary folder. */
  environment: Record<string, string>;
}

/** DVC in a virtual environment of its own; nothing where Python or the package cannot be had. */
export function installDvc(): Dvc | undefined {
  const folder = join(peersFolder(), 'dvc');
  const program = join(folder, 'bin', 'dvc');
  if (!existsSync(program)) {
    const made = spawnSync('python3', ['-m', 'venv', folder], { encoding: 'utf8' });
    if (made.status !== 0) {
      missing('DVC', firstLine(made.error?.message ?? made.stderr));
      return undefined;
    }
    const pip = join(folder, 'bin', 'pip');
    const got = spawnSync(pip, ['install', '-q', '--disable-pip-version-check', `dvc==${DVC}`], {
      encoding: 'utf8',
      timeout: 300_000,
    });
    if (got.status !== 0) {
      missing('DVC', firstLine(got.error?.message ?? got.stderr));
      return undefined;
    }
  }
  peer('DVC', DVC);
  const keep = (name: string) => join(folder, 'home', name);
  return {
    program,
    environment: {
      DVC_NO_ANALYTICS: '1',
      DVC_SITE_CACHE_DIR: keep('site'),
      DVC_GLOBAL_CONFIG_DIR: keep('global'),
      DVC_SYSTEM_CONFIG_DIR: keep('system'),
      XDG_CACHE_HOME: keep('cache'),
      XDG_CONFIG_HOME: keep('config'),
    },
  };
}

/**
 * The program git-lfs of this machine, or of its Debian package, unpacked into the temporary folder; nothing where
 * neither can be had.
 */
export function installGitLfs(): string | undefined {
  const folder = join(peersFolder(), 'git-lfs');
  const unpacked = join(folder, 'usr', 'bin', 'git-lfs');
  const here = spawnSync('sh', ['-c', 'command -v git-lfs'], { encoding: 'utf8' }).stdout.trim();
  if (here === '' && !existsSync(unpacked)) {
    mkdirSync(folder, { recursive: true });
    const got = spawnSync('sh', ['-c', 'apt-get download -qq git-lfs && dpkg -x git-lfs_*.deb .'], {
      cwd: folder,
      encoding: 'utf8',
      timeout: 120_000,
    });
    if (got.status !== 0) {
      missing('git-lfs', firstLine(got.error?.message ?? got.stderr));
      return undefined;
    }
  }
  const program = here === '' ? unpacked : here;
  const { stdout } = spawnSync(program, ['version'], { encoding: 'utf8' });
  peer('git-lfs', /git-lfs\/(\S+)/.exec(stdout)?.[1] ?? 'unknown');
  return program;
}

/** The version of one of the project's own dependencies, which its `package.json` has exactly. */
export function ownPeer(name: string): void {
  const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  peer(name, manifest.dependencies[name] ?? manifest.devDependencies[name] ?? 'unknown');
}

/** What the first line of a program's `--version` says, for a tool of the machine. */
export function machinePeer(name: string): void {
  const { stdout, error } = spawnSync(name, ['--version'], { encoding: 'utf8' });
  if (error) missing(name, error.message);
  else peer(name, /(\d[\w.]*)\s*$/.exec(firstLine(stdout))?.[1] ?? 'unknown');
}

function firstLine(text: string): string {
  return (text.trim().split('\n')[0] ?? '').slice(0, 200) || 'it could not be installed';
}

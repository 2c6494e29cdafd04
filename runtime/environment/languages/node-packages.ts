/** The packages of a Node lock file as archives: fetched to be kept, and installed from what was kept. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import { MlpipeError } from '../../errors.ts';
import { type CommandOptions, RETAIN_FAILED, runCommand } from './command.ts';

export interface LaidPackage {
  /** Where it lies: `node_modules/a/node_modules/b`. */
  path: string;
  name: string;
  version: string;
  /** Nothing for what comes from a repository. */
  integrity?: string;
  /** The address of its archive; nothing where npm was told to leave it out. */
  resolved?: string;
  /** Version and integrity, for the record. */
  says: string;
}

interface Lock {
  packages?: Record<
    string,
    { name?: string; version?: string; integrity?: string; resolved?: string; link?: boolean; inBundle?: boolean }
  >;
}

/** What npm says that it has laid down in a folder. */
export function packagesOf(folder: string): LaidPackage[] {
  const file = join(folder, 'node_modules', '.package-lock.json');
  return fs.existsSync(file) ? packagesIn(file) : [];
}

function packagesIn(file: string): LaidPackage[] {
  // npm's own format, written by it.
  const { packages = {} } = JSON.parse(fs.readFileSync(file, 'utf8')) as Lock;
  return Object.entries(packages).flatMap(([path, { name, version = '', integrity, resolved, link, inBundle }]) => {
    // A link leads to a folder of the project; a bundled one comes inside of another.
    if (path === '' || link || inBundle) return [];
    return [
      {
        path,
        // An alias has the name that it is of.
        name: name ?? path.replace(/^.*node_modules\//, ''),
        version,
        ...(integrity === undefined ? {} : { integrity }),
        ...(resolved === undefined ? {} : { resolved }),
        says: [version, integrity].filter(Boolean).join(' '),
      },
    ];
  });
}

/** npm's own name for an archive: `@scope/name` is `scope-name`. */
function archiveOf({ name, version }: LaidPackage): string {
  return `${name.replace(/^@/, '').replaceAll('/', '-')}-${version}.tgz`;
}

/** So many archives are asked for by one command: a command line has an end. */
const AT_A_TIME = 50;

/**
 * Fetches the archive of each package that is installed, through npm's own cache where it has it.
 *
 * @param folder where they are installed
 * @param place where the archives go
 * @throws MlpipeError `provision-failed`, `retain-failed`, `cancelled`
 */
export async function keepPackages(folder: string, place: string, command: CommandOptions): Promise<void> {
  const packages = new Map(packagesOf(folder).map((each) => [archiveOf(each), each]));
  const wanted = [...packages.values()].map(({ name, version, resolved }) => resolved ?? `${name}@${version}`);
  for (let at = 0; at < wanted.length; at += AT_A_TIME) {
    const words = ['pack', '--silent', '--ignore-scripts', '--pack-destination', place];
    await runCommand('npm', [...words, ...wanted.slice(at, at + AT_A_TIME)], { ...command, ...RETAIN_FAILED });
  }
  for (const [archive, { integrity, name }] of packages) {
    const path = join(place, archive);
    const isRight = fs.existsSync(path) && (integrity === undefined || fits(fs.readFileSync(path), integrity));
    if (isRight) continue;
    throw new MlpipeError(`The archive of ${name} is not what the lock file says.`, {
      code: 'retain-failed',
      todo: 'See which registry npm is configured for; what it has now is not what was locked.',
      exit: 2,
    });
  }
}

/** Whether bytes have one of the digests of an integrity: `sha512-…`, several divided by spaces. */
export function fits(bytes: Buffer, integrity: string): boolean {
  return integrity.split(/\s+/).some((each) => {
    const [, algorithm, expected] = /^(sha1|sha256|sha384|sha512)-([^?]+)/.exec(each) ?? [];
    return algorithm !== undefined && createHash(algorithm).update(bytes).digest('base64') === expected;
  });
}

/**
 * Installs from `retained/` in the folder: the lock file, as it is but for the places of its archives. npm still takes
 * nothing that differs from its integrity.
 *
 * @throws MlpipeError `provision-failed`, `retain-failed`, `cancelled`
 */
export async function installRetained(lock: string, folder: string, command: CommandOptions): Promise<void> {
  const place = join(folder, basename(lock));
  const text = fs.readFileSync(lock, 'utf8');
  // Its digest is the one that was pinned or recorded, and npm has installed from it.
  const locked = JSON.parse(text) as Lock;
  const archives = new Set(fs.readdirSync(join(folder, 'retained')));
  for (const each of packagesIn(lock)) {
    const archive = archiveOf(each);
    const entry = locked.packages?.[each.path];
    // What is for other systems was never fetched, and is not installed.
    if (entry !== undefined && archives.has(archive)) entry.resolved = `file:retained/${archive}`;
  }
  if (locked.packages === undefined) {
    throw new MlpipeError(`${basename(lock)} has a format that npm gave up with version 7.`, {
      code: 'lock-unknown',
      todo: 'Write it anew: `npm install --package-lock-only --lockfile-version 3`.',
      exit: 2,
    });
  }
  fs.writeFileSync(place, JSON.stringify(locked));
  await runCommand('npm', ['ci', '--offline', '--ignore-scripts', '--no-audit', '--no-fund'], command);
  fs.writeFileSync(place, text);
}

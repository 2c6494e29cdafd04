/** Walks a folder: every file and link in it, with its identity, without reading any. */
import fs from 'node:fs';
import { join } from 'node:path';
import { MlpipeError } from '../errors.ts';
import { readFailure } from './errors.ts';
import { type FileIdentity, identityOf } from './identity.ts';
import { leaves } from './manifest.ts';
import { notAFile } from './work.ts';

export interface Scan {
  files: ScannedFile[];
  links: { path: string; symlink: string }[];
}

export interface ScannedFile {
  /** Relative to the folder, with forward slashes. */
  path: string;
  identity: FileIdentity;
  executable: boolean;
}

/** Never content of a folder: what version control and the store itself keep there. */
const OURS = new Set(['.git', '.mlpipe']);

const NOT_LOOKED_AT: FileIdentity = { device: 0n, inode: 0n, modified: 0n, changed: 0n, bytes: 0n };

/** How long the walk holds the event loop at a time, in milliseconds. */
const SLICE = 12;

/**
 * @param known files of which the names alone are wanted
 * @throws MlpipeError `symlink-leaves-folder` for a link whose content would not be part of the folder's digest
 */
export async function scanFolder(folder: string, known?: ReadonlySet<string>): Promise<Scan> {
  const scan: Scan = { files: [], links: [] };
  const waiting = [''];
  let sliceEnds = performance.now() + SLICE;
  for (let relative = waiting.pop(); relative !== undefined; relative = waiting.pop()) {
    let names: fs.Dirent[];
    try {
      names = fs.readdirSync(join(folder, relative), { withFileTypes: true });
    } catch (error) {
      throw readFailure(join(folder, relative), error);
    }
    for (const name of names) {
      if (OURS.has(name.name)) continue;
      const path = relative === '' ? name.name : `${relative}/${name.name}`;
      if (name.isDirectory()) waiting.push(path);
      else if (known?.has(path) && name.isFile()) scan.files.push({ path, identity: NOT_LOOKED_AT, executable: false });
      else look(folder, path, scan);
      if (performance.now() > sliceEnds) {
        await new Promise((resume) => setImmediate(resume));
        sliceEnds = performance.now() + SLICE;
      }
    }
  }
  return scan;
}

function look(folder: string, path: string, scan: Scan): void {
  const whole = `${folder}/${path}`;
  let stats: fs.BigIntStats;
  try {
    stats = fs.lstatSync(whole, { bigint: true });
    if (stats.isSymbolicLink()) {
      const symlink = fs.readlinkSync(whole);
      if (leaves(path, symlink)) throw leavesFolder(whole, symlink);
      scan.links.push({ path, symlink });
      return;
    }
  } catch (error) {
    throw readFailure(whole, error);
  }
  if (!stats.isFile()) throw notAFile(whole);
  scan.files.push({ path, identity: identityOf(stats), executable: isExecutable(stats) });
}

/** Windows knows no such bit. */
export function isExecutable(stats: fs.BigIntStats): boolean {
  return process.platform !== 'win32' && (stats.mode & 0o100n) !== 0n;
}

function leavesFolder(path: string, target: string): MlpipeError {
  return new MlpipeError(`${path} is a symbolic link to ${target}, outside the folder that is stored.`, {
    code: 'symlink-leaves-folder',
    todo: 'Replace the link by what it points to, or name that path itself: the content behind the link would otherwise be neither pinned nor stored.',
  });
}

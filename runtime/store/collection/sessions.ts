/**
 * Who is writing to a store. What a session has written or relied on stays until it has ended, whatever is collected
 * meanwhile. A session is a file that its process touches now and then; all times are those of the disk's own clock, so
 * that machines whose clocks differ agree.
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { join } from 'node:path';
import { MlpipeError } from '../../errors.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from '../../processes.ts';
import { OWNER } from '../content.ts';
import { writeFailure } from '../errors.ts';
import { hasCode } from '../filesystem.ts';

const HEARTBEAT = 60_000;
/** A session on another machine that has been silent for so long is taken for dead; should it wake, it gives up. */
const PATIENCE = 7 * 24 * 3_600_000;
/** How often a writer looks whether it may begin. */
const POLL = 20;

export interface Session {
  /** When it began, in nanoseconds since 1970 by the disk's clock. */
  readonly began: bigint;
  /**
   * To be called before anything is answered for.
   *
   * @throws MlpipeError `session-lost` where it was taken for dead, so that what it relied on may be gone
   */
  require(): void;
  end(): void;
}

interface LivingSession {
  name: string;
  began: bigint;
}

/**
 * Begins to write. Waits while somebody deletes at once.
 *
 * @param store the `.mlpipe` folder
 * @throws MlpipeError `store-unwritable`, `store-full`
 */
export function beginSession(store: string): Session {
  const folder = sessionFolder(store);
  const name = `${OWNER}-${randomBytes(6).toString('hex')}`;
  const path = join(folder, name);
  let began: bigint;
  try {
    fs.mkdirSync(folder, { recursive: true });
    began = announce(path);
    // Whoever deletes at once has put up its sign before it looked for sessions; one of the two sees the other.
    while (deletesAtOnce(store)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, POLL);
  } catch (error) {
    fs.rmSync(path, { force: true });
    throw writeFailure(path, error);
  }
  const beat = setInterval(() => touch(path), HEARTBEAT);
  beat.unref();
  const end = () => {
    clearInterval(beat);
    open.delete(path);
    fs.rmSync(path, { force: true });
  };
  open.add(path);
  endAllAtExit();
  return {
    began,
    require() {
      if (fs.existsSync(path)) return;
      throw new MlpipeError('This process slept for so long that the store took it for dead.', {
        code: 'session-lost',
        todo: 'Run again: what it relied on may have been collected meanwhile.',
      });
    },
    end,
  };
}

/** Sessions of this process. */
const open = new Set<string>();
let endsAllAtExit = false;

function endAllAtExit(): void {
  if (endsAllAtExit) return;
  endsAllAtExit = true;
  process.on('exit', () => {
    for (const path of open) fs.rmSync(path, { force: true });
  });
}

/** Those that may still write, and those that nobody knows; the dead are buried. */
export function livingSessions(store: string): LivingSession[] {
  const folder = sessionFolder(store);
  const now = diskTime(store);
  return namesIn(folder).flatMap((name) => {
    const path = join(folder, name);
    try {
      const status = fs.statSync(path, { bigint: true });
      const owner = parse(fs.readFileSync(path, 'utf8'));
      const silence = Number((now - status.mtimeNs) / 1_000_000n);
      if (owner ? isAlive(owner, silence, PATIENCE) : silence < PATIENCE) {
        return [{ name, began: owner?.began ?? status.ctimeNs }];
      }
      fs.rmSync(path, { force: true });
    } catch (error) {
      // It has ended between the listing and the look.
      if (!hasCode(error, 'ENOENT')) throw error;
    }
    return [];
  });
}

/**
 * Keeps writers from beginning while `work` deletes for good.
 *
 * @throws MlpipeError `store-in-use` where one has begun already
 */
export async function alone<Result>(store: string, work: () => Promise<Result>): Promise<Result> {
  const sign = signPath(store);
  fs.writeFileSync(sign, JSON.stringify(ownIdentity()));
  const beat = setInterval(() => touch(sign), HEARTBEAT);
  beat.unref();
  try {
    const others = livingSessions(store);
    if (others.length > 0) {
      throw new MlpipeError(
        `${others.length === 1 ? 'A process is' : `${others.length} processes are`} writing to this store.`,
        {
          code: 'store-in-use',
          todo: 'Wait until they have ended, or leave out --now: then nothing is deleted that they may need.',
        },
      );
    }
    return await work();
  } finally {
    clearInterval(beat);
    fs.rmSync(sign, { force: true });
  }
}

/** Now, by the clock that stamps the store's files, in nanoseconds since 1970. */
export function diskTime(store: string): bigint {
  const path = join(store, 'tmp', `${OWNER}-${randomBytes(6).toString('hex')}-clock`);
  try {
    fs.writeFileSync(path, '', { flag: 'wx' });
    return fs.statSync(path, { bigint: true }).mtimeNs;
  } catch (error) {
    throw writeFailure(path, error);
  } finally {
    fs.rmSync(path, { force: true });
  }
}

/** @returns when it began */
function announce(path: string): bigint {
  const file = fs.openSync(path, 'wx', 0o644);
  try {
    const began = fs.fstatSync(file, { bigint: true }).mtimeNs;
    fs.writeSync(file, JSON.stringify({ ...ownIdentity(), began: String(began) }));
    return began;
  } finally {
    fs.closeSync(file);
  }
}

function deletesAtOnce(store: string): boolean {
  const sign = signPath(store);
  try {
    const silence = Date.now() - fs.statSync(sign).mtimeMs;
    const owner = parse(fs.readFileSync(sign, 'utf8'));
    if (owner ? isAlive(owner, silence, 3 * HEARTBEAT) : silence < HEARTBEAT) return true;
    fs.rmSync(sign, { force: true });
    return false;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}

function touch(path: string): void {
  const now = new Date();
  try {
    fs.utimesSync(path, now, now);
  } catch {
    // Taken for dead; the next `require` says so.
  }
}

function parse(text: string): (ProcessIdentity & { began?: bigint }) | undefined {
  try {
    const { host, boot, pid, start, began } = JSON.parse(text) as Record<string, unknown>;
    if (typeof host !== 'string' || typeof boot !== 'string') return undefined;
    if (typeof pid !== 'number' || typeof start !== 'string') return undefined;
    return { host, boot, pid, start, ...(typeof began === 'string' ? { began: BigInt(began) } : {}) };
  } catch {
    // Only just being written.
    return undefined;
  }
}

function namesIn(folder: string): string[] {
  try {
    return fs.readdirSync(folder);
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  }
}

function sessionFolder(store: string): string {
  return join(store, 'sessions');
}

function signPath(store: string): string {
  return join(store, 'deleting');
}

/**
 * Leases: who is computing which key. No lock is held over a whole folder; two runs meet only where they would compute
 * the same thing, and then the second waits for the first one's result.
 *
 * A claimant writes a file of its own (a name that nobody else ever uses, complete when it appears) and then looks. Who
 * finds another live claimant withdraws and waits. Two who look at once see each other and both withdraw for a random
 * moment, so that never two hold a key. A file whose owner is dead can be removed by anyone: the name never comes back.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Digest } from '../grammar/plan/plan.ts';
import { isAlive, ownIdentity, type ProcessIdentity } from './processes.ts';

export interface LeaseOwner extends ProcessIdentity {
  run: string;
  step: string;
}

export interface Lease {
  /** Owners of this key that had died; what they left running is for the new owner to end. */
  readonly buried: LeaseOwner[];
  release(): void;
}

/** An owner on another machine is taken for dead after so long without a heartbeat. */
const SILENCE = 60_000;
const HEARTBEAT = 5_000;
const PATIENCE = 100;

/**
 * Waits until nobody else computes this key, and holds it.
 *
 * @param onWait called once when there is somebody to wait for
 * @throws the signal's reason when it is aborted while waiting
 */
export async function acquireLease(
  folder: string,
  key: Digest,
  who: { run: string; step: string },
  options: { signal: AbortSignal; onWait?: (owner: LeaseOwner | null) => void },
): Promise<Lease> {
  mkdirSync(folder, { recursive: true });
  const prefix = `${key.replace(':', '-').slice(0, 47)}.`;
  const owner: LeaseOwner = { ...ownIdentity(), ...who };
  const buried: LeaseOwner[] = [];
  let told = false;
  for (;;) {
    options.signal.throwIfAborted();
    let other = livingOwner(folder, prefix, undefined, buried);
    if (other === undefined) {
      const file = claim(folder, prefix, owner);
      other = livingOwner(folder, prefix, file, buried);
      if (other === undefined) return hold(join(folder, file), buried);
      rmSync(join(folder, file), { force: true });
      await delay(Math.random() * PATIENCE, undefined, { signal: options.signal });
      // Two who came at once are no reason to tell anybody of waiting.
      continue;
    }
    if (!told) options.onWait?.(other);
    told = true;
    await delay(PATIENCE, undefined, { signal: options.signal });
  }
}

function claim(folder: string, prefix: string, owner: LeaseOwner): string {
  const file = `${prefix}${process.pid}-${randomBytes(6).toString('hex')}`;
  const temporary = join(folder, `.${file}`);
  const descriptor = openSync(temporary, 'wx');
  writeSync(descriptor, JSON.stringify(owner));
  fsyncSync(descriptor);
  closeSync(descriptor);
  renameSync(temporary, join(folder, file));
  return file;
}

function hold(path: string, buried: LeaseOwner[]): Lease {
  const beat = setInterval(() => {
    const now = new Date();
    try {
      utimesSync(path, now, now);
    } catch {
      // Somebody cleaned the folder; the work itself is still good, and its result is stored under its digest.
    }
  }, HEARTBEAT);
  beat.unref();
  return {
    buried,
    release() {
      clearInterval(beat);
      rmSync(path, { force: true });
    },
  };
}

/** Who else holds the key: an owner, `null` for one that cannot be read, `undefined` for nobody. Buries the dead. */
function livingOwner(
  folder: string,
  prefix: string,
  own: string | undefined,
  buried: LeaseOwner[],
): LeaseOwner | null | undefined {
  for (const file of readdirSync(folder)) {
    if (!file.startsWith(prefix) || file === own) continue;
    const path = join(folder, file);
    let owner: LeaseOwner | null;
    let age: number;
    try {
      age = Date.now() - statSync(path).mtimeMs;
      owner = parseOwner(readFileSync(path, 'utf8'));
    } catch {
      // Released between the listing and the reading.
      continue;
    }
    if (owner === null ? age < SILENCE : isAlive(owner, age, SILENCE)) return owner;
    if (owner !== null) buried.push(owner);
    rmSync(path, { force: true });
  }
  return undefined;
}

function parseOwner(text: string): LeaseOwner | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const { host, boot, pid, start, run, step } = value as Record<string, unknown>;
    if (typeof host !== 'string' || typeof boot !== 'string' || typeof pid !== 'number') return null;
    if (typeof start !== 'string' || typeof run !== 'string' || typeof step !== 'string') return null;
    return { host, boot, pid, start, run, step };
  } catch {
    return null;
  }
}

/** Ends this very process just before a given call to the disk, counted from now on. Answers how many there were. */
import fs from 'node:fs';

const CALLS = [
  'openSync',
  'writeSync',
  'writeFileSync',
  'fsyncSync',
  'closeSync',
  'renameSync',
  'linkSync',
  'symlinkSync',
  'unlinkSync',
  'rmSync',
  'copyFileSync',
  'futimesSync',
  'fchmodSync',
  'mkdirSync',
  'readFileSync',
] as const;

/** @param point none where it is 0 */
export function killAt(point: number): () => number {
  let calls = 0;
  for (const name of CALLS) {
    const real: (...parameters: never[]) => unknown = fs[name];
    // The wrapper passes on whatever it is given; its type is that of what it stands for.
    (fs as unknown as Record<string, unknown>)[name] = (...parameters: never[]) => {
      calls += 1;
      if (calls === point) process.kill(process.pid, 'SIGKILL');
      return real(...parameters);
    };
  }
  return () => calls;
}

/** With MLPIPE_EVERY_POINT=1 every point is taken, which takes many minutes; else so many of them. */
const EVERY = process.env.MLPIPE_EVERY_POINT === '1';
const POINTS = 24;

/** How long a test may take, in milliseconds, at so many points; as long as it takes at all of them. */
export function timeFor(some: number): number {
  return EVERY ? 0 : some;
}

/** Two at a time. Answers how many there were. */
export async function atEachPoint(points: number, work: (point: number) => Promise<void>): Promise<number> {
  const step = EVERY ? 1 : Math.max(1, Math.floor(points / POINTS));
  const chosen = Array.from({ length: points }, (_, index) => index + 1).filter((point) => point % step === 0);
  const waiting = [...chosen];
  const go = async () => {
    for (let point = waiting.shift(); point !== undefined; point = waiting.shift()) await work(point);
  };
  await Promise.all([go(), go()]);
  return chosen.length;
}

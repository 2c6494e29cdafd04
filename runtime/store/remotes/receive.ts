/** Fetches one object: by range from where it broke off, hashed on the way, stored only when its digest fits. */
import { createHash } from 'node:crypto';
import type { Bytes, Digest } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import type { Staged } from '../content.ts';
import { RemoteFault } from './driver.ts';
import { corruptOnRemote, isDamage, remoteFailure } from './failure.ts';
import { Arrival } from './incoming.ts';
import type { LocalSpans } from './local-spans.ts';
import { nameOf } from './names.ts';
import { CHUNKED_FROM } from './pack-format.ts';
import { receiveByRecipe } from './recipes.ts';
import { guarded } from './retry.ts';
import type { Line } from './transfer.ts';

/** So often bytes may be wrong before it is the remote's own that are: a line may garble, too. */
const WRONG_TWICE = 2;

/**
 * By its own name, or by its recipe: whichever is likelier first. Where one of them is damaged the other may be whole.
 *
 * @param expected how large it is, where that is known
 * @param here what of large objects lies here already
 * @returns a file that waits for its name, or nothing where the remote has no such object
 * @throws MlpipeError `remote-corrupt`, `remote-unreachable`, `remote-denied`, `remote-failed`
 */
export async function receiveObject(
  store: string,
  digest: Digest,
  expected: Bytes | undefined,
  line: Line,
  signal: AbortSignal | undefined,
  onBytes: (bytes: Bytes) => void,
  here?: LocalSpans,
): Promise<Staged | undefined> {
  const loose = () => receiveLoose(store, digest, expected, line, signal, onBytes);
  if (line.chunking === undefined || (expected ?? CHUNKED_FROM) < CHUNKED_FROM) return loose();
  const byRecipe = () => receiveByRecipe(store, digest, line, signal, onBytes, here);
  let failure: { error: unknown } | undefined;
  for (const way of expected === undefined ? [loose, byRecipe] : [byRecipe, loose]) {
    try {
      const staged = await way();
      if (staged) return staged;
    } catch (error) {
      if (!isDamage(error)) throw error;
      failure ??= { error };
    }
  }
  // A pack that is gone is as if the object had never been there.
  if (failure && !(failure.error instanceof MlpipeError && failure.error.code === 'remote-lacks')) throw failure.error;
  return undefined;
}

async function receiveLoose(
  store: string,
  digest: Digest,
  expected: Bytes | undefined,
  line: Line,
  signal: AbortSignal | undefined,
  onBytes: (bytes: Bytes) => void,
): Promise<Staged | undefined> {
  const { driver } = line;
  const name = nameOf('objects', digest);
  const subject = `the object ${digest}`;
  const arrival = new Arrival(store, digest, expected);
  let wrong = 0;
  try {
    const found = await line.attempt(async (guard) => {
      const body = await driver.get(name, { start: arrival.bytes, signal: guard.signal });
      if (body === undefined) return false;
      if (body.start !== arrival.bytes) await arrival.empty();
      for await (const chunk of guarded(body.chunks, guard)) {
        await arrival.write(chunk);
        onBytes(chunk.length);
      }
      if (arrival.isWhole()) return true;
      const size = await driver.head(name, guard.signal);
      if (size !== undefined && arrival.bytes < size) {
        throw new RemoteFault(`it broke off after ${arrival.bytes} of ${size} bytes`, 'transient');
      }
      const found = `${arrival.bytes} bytes have another digest`;
      await arrival.empty();
      wrong += 1;
      if (wrong < WRONG_TWICE) throw new RemoteFault(found, 'transient');
      throw corruptOnRemote(driver.address, subject, found);
    }, signal);
    if (!found) {
      // What is there of it may have come by its recipe, which goes on with it.
      await arrival.leave(line.chunking !== undefined);
      return undefined;
    }
  } catch (error) {
    await arrival.leave(true);
    if (signal?.aborted) throw error;
    throw remoteFailure(driver.address, subject, error);
  }
  return arrival.finish();
}

/** Reads what the remote has and says whether its bytes are those of its name. */
export async function isWhole(line: Line, digest: Digest): Promise<boolean> {
  return line.attempt(async (guard) => {
    const body = await line.driver.get(nameOf('objects', digest), { signal: guard.signal });
    if (body === undefined) return false;
    const hash = createHash('sha256');
    for await (const chunk of guarded(body.chunks, guard)) hash.update(chunk);
    return `sha256:${hash.digest('hex')}` === digest;
  });
}

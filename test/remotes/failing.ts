/** Remotes in memory that fail while things are sent to them. */
import assert from 'node:assert/strict';
import { type Content, RemoteFault } from '../../runtime/store/remotes/driver.ts';
import { MemoryRemote, mustBeSound } from './support.ts';

/** Refuses one request to store something, counted from 1. */
class RefusingRemote extends MemoryRemote {
  readonly #point: number;

  constructor(point: number) {
    super();
    this.#point = point;
  }

  override async put(name: string, content: Content, options = {}) {
    if (this.calls.put + 1 === this.#point) {
      this.calls.put += 1;
      throw new RemoteFault('507 Insufficient Storage', 'refused');
    }
    return super.put(name, content, options);
  }
}

/** Stores whatever it is given, and the first answer about each is lost; the next try finds the name taken. */
export class LosingRemote extends MemoryRemote {
  readonly #lost = new Set<string>();

  override async put(name: string, content: Content, options = {}) {
    const answer = await super.put(name, content, options);
    if (this.#lost.has(name)) return answer;
    this.#lost.add(name);
    throw new RemoteFault('socket hang up', 'transient');
  }
}

/**
 * Sends to a remote that refuses the first request, then to one that refuses the second, and so on: whatever is there then
 * is sound, and the next time it comes to the same as without a fault.
 *
 * @returns how many requests there were to refuse
 */
export async function mustCompleteAfterAnyFault(
  sendTo: (remote: MemoryRemote) => Promise<unknown>,
  options: Parameters<typeof mustBeSound>[1] = {},
): Promise<number> {
  const sound = new MemoryRemote();
  await sendTo(sound);
  const expected = mustBeSound(sound.files);
  for (let point = 1; point <= sound.calls.put; point += 1) {
    const refusing = new RefusingRemote(point);
    await assert.rejects(sendTo(refusing), /507/);
    mustBeSound(refusing.files, options);
    const later = new MemoryRemote(refusing.files);
    await sendTo(later);
    assert.deepEqual(mustBeSound(later.files, options), expected, `after a fault at request ${point}`);
  }
  return sound.calls.put;
}

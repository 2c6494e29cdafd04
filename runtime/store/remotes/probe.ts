/** Tries what a remote can do, with small files of its own that it takes away again, and says what it cannot. */
import { randomBytes } from 'node:crypto';
import { bytesOf, contentOf, type RemoteDriver } from './driver.ts';
import { remoteFailure } from './failure.ts';
import { persistently } from './retry.ts';

export interface Probe {
  read: boolean;
  write: boolean;
  /** Whether names can be listed. */
  list: boolean;
  /** Of two that create a name at once, the second is told. */
  conditionalCreate: boolean;
  /** A broken download can go on where it broke off. */
  ranges: boolean;
  /** What is to be known of it, in sentences. */
  notes: string[];
}

const CONTENT = Buffer.from('mlpipe looks whether this can be written');
const TRIES = { tries: 3 };

/** @throws MlpipeError where it cannot even be reached */
export async function probeRemote(driver: RemoteDriver): Promise<Probe> {
  const notes: string[] = [];
  const name = `probe/${randomBytes(12).toString('hex')}`;
  const attempt = <Result>(work: () => Promise<Result>) => persistently(work, TRIES);
  try {
    await attempt(() => driver.head('format'));
  } catch (error) {
    throw remoteFailure(driver.address, 'its file `format`', error);
  }
  const probe: Probe = { read: true, write: false, list: false, conditionalCreate: false, ranges: false, notes };
  if (!driver.abilities.write) {
    notes.push('It can be read and not written: `pull` and `fetch` work, `push` does not.');
    notes.push('Names cannot be listed: what there is, its index says.');
    return probe;
  }
  try {
    await attempt(() => driver.put(name, contentOf(CONTENT)));
    await driver.settle();
    probe.write = true;
  } catch (error) {
    notes.push(`It cannot be written (${messageOf(error)}): \`pull\` and \`fetch\` work, \`push\` does not.`);
    return probe;
  }
  try {
    const other = Buffer.from(CONTENT).reverse();
    const second = await driver.put(name, contentOf(other)).catch(() => 'failed');
    await driver.settle();
    const body = await attempt(() => driver.get(name));
    const content = body === undefined ? Buffer.alloc(0) : await bytesOf(body);
    probe.conditionalCreate = second === 'present' && content.equals(CONTENT);
    if (!probe.conditionalCreate) {
      notes.push(
        'It does not honour conditional creates: of two who send the same name the last one wins. That harms nothing here, as a name is the digest of its content.',
      );
    }
    const part = await attempt(() => driver.get(name, { start: 7 }));
    probe.ranges = part !== undefined && part.start === 7 && (await bytesOf(part)).equals(content.subarray(7));
    if (!probe.ranges) notes.push('It knows no ranges: a download that breaks off begins again.');
    for await (const listed of driver.list('probe/')) if (listed.name === name) probe.list = true;
    if (!probe.list) notes.push('Names cannot be listed: each object is asked for by itself.');
  } catch (error) {
    notes.push(`Not everything could be tried: ${messageOf(error)}.`);
  } finally {
    await driver.delete(name).catch((error: unknown) => {
      notes.push(`${name} could not be removed: ${messageOf(error)}.`);
    });
  }
  return probe;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
}

/** Says what a remote is, and makes one. */
import { canonicalJson } from '../../../grammar/plan/canonical.ts';
import { EXIT, MlpipeError } from '../../errors.ts';
import { CHUNKING, type Chunking, isChunking } from './chunker.ts';
import { bytesOf, contentOf } from './driver.ts';
import { remoteFailure } from './failure.ts';
import { FORMAT_NAME } from './names.ts';
import type { Line } from './transfer.ts';

/** Every object is a file of its own. It is still read and written, and no packs are sent to it. */
const LOOSE = 'mlpipe-remote/1';
/** The second line says how chunks are cut, and what one must know to read it. */
const PACKED = 'mlpipe-remote/2';
/** Something may be marked for deletion: who sends has to say what it relies on. */
const TRASH = 'trash';
/** What one has to know. A later mlpipe adds a word here for what this one could not read. */
const FEATURES: readonly string[] = ['chunks', 'packs', TRASH];

/** The format file of a new remote. */
export const NEW_FORMAT = formatOf(CHUNKING, ['chunks', 'packs']);

function formatOf(chunks: Chunking, features: readonly string[]): string {
  return `${PACKED}\n${canonicalJson({ chunks, features })}\n`;
}

/**
 * Whether something is there, in a format that this mlpipe knows. The line knows from then on which one.
 *
 * @throws MlpipeError `remote-format`
 */
export async function isMade(line: Line): Promise<boolean> {
  const { driver } = line;
  const content = await talking(line, () =>
    line.attempt(async ({ signal }) => {
      const body = await driver.get(FORMAT_NAME, { signal });
      return body && bytesOf(body);
    }),
  );
  if (content === undefined) return false;
  line.chunking = chunkingIn(content.toString('utf8').trim(), driver.address);
  return true;
}

/** How chunks are cut there; nothing where there are none. */
function chunkingIn(text: string, address: string): Chunking | undefined {
  const [format = '', second = ''] = text.split('\n');
  if (format === LOOSE && second === '') return undefined;
  if (format !== PACKED) throw unknownFormat(address, `has the format ${JSON.stringify(format.slice(0, 60))}`);
  const { chunks, features } = settingsIn(second);
  const unknown = Array.isArray(features) ? features.filter((each) => !FEATURES.includes(String(each))) : [second];
  if (unknown.length > 0) throw unknownFormat(address, `uses ${JSON.stringify(unknown).slice(0, 60)}`);
  if (!isChunking(chunks)) throw unknownFormat(address, `cuts chunks by ${JSON.stringify(chunks)?.slice(0, 60)}`);
  return chunks;
}

function settingsIn(line: string): { chunks?: unknown; features?: unknown } {
  try {
    const settings: unknown = JSON.parse(line);
    return typeof settings === 'object' && settings !== null ? settings : {};
  } catch {
    // Said by the caller, who finds nothing in it.
    return {};
  }
}

function unknownFormat(address: string, what: string): MlpipeError {
  return new MlpipeError(`${address} ${what}; this mlpipe knows ${LOOSE} and ${PACKED} with ${FEATURES.join(', ')}.`, {
    code: 'remote-format',
    todo: 'Use the version of mlpipe that made it, or a newer one; or name an empty folder.',
    exit: EXIT.usage,
  });
}

/** The format comes first: what has none has nothing of ours. */
export async function makeRemote(line: Line): Promise<void> {
  if (await isMade(line)) return;
  await talking(line, async () => {
    await line.attempt(({ signal }) => line.driver.put(FORMAT_NAME, contentOf(Buffer.from(NEW_FORMAT)), { signal }));
    await line.driver.settle();
  });
  // Another may have made it meanwhile, and otherwise.
  await isMade(line);
}

/**
 * Lets a remote from before packs have some from now on. What lies there stays where it is and is read as before; an
 * mlpipe from before packs will refuse it.
 *
 * @returns whether it was from before
 * @throws MlpipeError `remote-empty`, `remote-format`
 */
export async function upgradeRemote(line: Line): Promise<boolean> {
  await mustBeMade(line);
  if (line.chunking !== undefined) return false;
  await talking(line, async () => {
    // Two who do this at once write the same.
    await line.attempt(({ signal }) =>
      line.driver.put(FORMAT_NAME, contentOf(Buffer.from(NEW_FORMAT)), { replace: true, signal }),
    );
    await line.driver.settle();
  });
  return isMade(line);
}

/** Keeps an mlpipe away that knows nothing of collections on remotes, and would rely on what is marked. */
export async function declareTrash(line: Line): Promise<void> {
  const { chunking } = line;
  if (chunking === undefined) throw new Error('A remote without packs is not collected.');
  await talking(line, async () => {
    const content = Buffer.from(formatOf(chunking, FEATURES));
    const there = await line.attempt(async ({ signal }) => {
      const body = await line.driver.get(FORMAT_NAME, { signal });
      return body && bytesOf(body);
    });
    if (there?.equals(content)) return;
    await line.attempt(({ signal }) => line.driver.put(FORMAT_NAME, contentOf(content), { replace: true, signal }));
    await line.driver.settle();
  });
}

/** @throws MlpipeError `remote-empty` */
export async function mustBeMade(line: Line): Promise<void> {
  if (await isMade(line)) return;
  throw new MlpipeError(`${line.driver.address} holds nothing of mlpipe's.`, {
    code: 'remote-empty',
    todo: 'Check its address with `mlpipe remote list`; whoever has the models sends them with `mlpipe push`.',
  });
}

async function talking<Result>(line: Line, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (line.signal?.aborted) throw error;
    throw remoteFailure(line.driver.address, `its file \`${FORMAT_NAME}\``, error);
  }
}

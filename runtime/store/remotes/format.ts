/** Says what a remote is, and makes one. */
import { EXIT, MlpipeError } from '../../errors.ts';
import { bytesOf, contentOf } from './driver.ts';
import { remoteFailure } from './failure.ts';
import { FORMAT_NAME, REMOTE_FORMAT } from './names.ts';
import type { Line } from './transfer.ts';

/** Whether something is there, in the format that this mlpipe knows. @throws MlpipeError `remote-format` */
export async function isMade(line: Line): Promise<boolean> {
  const { driver } = line;
  const content = await talking(line, () =>
    line.attempt(async ({ signal }) => {
      const body = await driver.get(FORMAT_NAME, { signal });
      return body && bytesOf(body);
    }),
  );
  if (content === undefined) return false;
  const format = content.toString('utf8').trim();
  if (format === REMOTE_FORMAT) return true;
  throw new MlpipeError(
    `${driver.address} has the format ${JSON.stringify(format.slice(0, 60))}; this mlpipe knows ${REMOTE_FORMAT}.`,
    {
      code: 'remote-format',
      todo: 'Use the version of mlpipe that made it, or a newer one; or name an empty folder.',
      exit: EXIT.usage,
    },
  );
}

/** The format comes first: what has none has nothing of ours. */
export async function makeRemote(line: Line): Promise<void> {
  if (await isMade(line)) return;
  await talking(line, async () => {
    await line.attempt(({ signal }) =>
      line.driver.put(FORMAT_NAME, contentOf(Buffer.from(`${REMOTE_FORMAT}\n`)), { signal }),
    );
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

/** What a person is told of a remote that does not do what it should: which object, which remote, what to do. */
import { EXIT, MlpipeError } from '../../errors.ts';
import { RemoteFault } from './driver.ts';

/** @param subject what it was about: `the object sha256:…` */
export function remoteFailure(address: string, subject: string, error: unknown): MlpipeError {
  if (error instanceof MlpipeError) return error;
  const fault = error instanceof RemoteFault ? error : undefined;
  const why = error instanceof Error ? error.message.replace(/\.$/, '') : String(error);
  if (fault?.kind === 'denied') {
    return new MlpipeError(`${address} does not let you reach ${subject}: ${why}.`, {
      code: 'remote-denied',
      todo: 'Check your credentials for it; docs/remotes.md says where they are looked for.',
      exit: EXIT.usage,
      cause: error,
    });
  }
  return new MlpipeError(`${address} failed with ${subject}: ${why}.`, {
    code: fault?.kind === 'transient' ? 'remote-unreachable' : 'remote-failed',
    todo:
      fault?.kind === 'transient'
        ? 'Check that it can be reached, and do the same again: what has arrived is not sent again.'
        : 'Check its address with `mlpipe remote list`, and what it says of itself.',
    exit: EXIT.usage,
    cause: error,
  });
}

export function notOnRemote(address: string, subject: string): MlpipeError {
  return new MlpipeError(`${address} has no ${subject}.`, {
    code: 'remote-lacks',
    todo: 'Ask who made it to run `mlpipe push`, or name another remote with `-r`.',
  });
}

export function corruptOnRemote(address: string, subject: string, found: string): MlpipeError {
  return new MlpipeError(`${address} sends wrong bytes for ${subject}: ${found}. Nothing of it was stored.`, {
    code: 'remote-corrupt',
    todo: 'Take it from another remote with `-r`; who has it whole mends this one with `mlpipe push --repair`.',
  });
}

/** Whether something is there and wrong, or its pack is gone: not that it could not be asked. */
export function isDamage(error: unknown): boolean {
  return error instanceof MlpipeError && (error.code === 'remote-corrupt' || error.code === 'remote-lacks');
}

export function cancelled(): MlpipeError {
  return new MlpipeError('It was cancelled; what had arrived whole is kept.', {
    code: 'cancelled',
    todo: 'Do the same again to go on.',
    exit: EXIT.cancelled,
  });
}

/** Work that sends or fetches: its progress is shown, and Ctrl-C ends it. */
import type { TransferOptions } from '../store/remotes/transfer.ts';
import { cancelOnSignal } from './cancel.ts';
import type { Output } from './output.ts';
import { TransferProgress } from './transfer-progress.ts';

export async function travelling<Result>(
  output: Output,
  work: (options: TransferOptions) => Promise<Result>,
): Promise<Result> {
  const signal = cancelOnSignal(output);
  const progress = new TransferProgress({ terminal: process.stderr.isTTY === true, quiet: output.quiet });
  try {
    return await work({ signal, onEvent: (event) => progress.show(event) });
  } finally {
    progress.end();
  }
}

/** Ctrl-C: the first asks for an end, the second leaves at once. */
import { EXIT } from '../errors.ts';
import { type Output, talk } from './output.ts';

/** Aborted by SIGINT or SIGTERM. */
export function cancelOnSignal(output: Output): AbortSignal {
  const cancelled = new AbortController();
  let interrupts = 0;
  const interrupt = () => {
    interrupts += 1;
    if (interrupts > 1) process.exit(EXIT.cancelled);
    talk(output, 'cancelling; once more to leave at once');
    cancelled.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  return cancelled.signal;
}

/**
 * A process that writes to a store while others collect.
 *
 * `writer.ts hold FOLDER CONTENT…`: stores, says so on its standard output, and ends when its standard input does.
 * `writer.ts loop FOLDER SEED ROUNDS`: stores things old and new and records them, again and again.
 * `writer.ts collect FOLDER`: collects whatever no record names, without any grace, until its standard input ends.
 */
import { setTimeout as wait } from 'node:timers/promises';
import { digestOf } from '../../grammar/plan/canonical.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import { openLedger } from '../../runtime/ledger/ledger.ts';
import { openStore } from '../../runtime/store/open.ts';
import { recordOf } from '../runtime/records.ts';

const [what, folder = '', ...rest] = process.argv.slice(2);
const store = openStore(folder);

if (what === 'hold') {
  for (const content of rest) await store.putBytes(content);
  process.stdout.write('stored\n');
  process.stdin.resume();
  await new Promise((resume) => process.stdin.once('end', resume));
  process.exit(0);
} else if (what === 'loop') {
  const [seed = '', rounds = '0'] = rest;
  const ledger = openLedger(folder);
  for (let round = 0; round < Number(rounds); round += 1) {
    // Every round is a program of its own, for the store.
    const program = openStore(folder);
    // What nobody names yet, and somebody will in a later round, if it has not been collected by then.
    await program.putBytes(`pool ${round + 3}`);
    const own = await program.putBytes(`${seed} ${round}`);
    const shared = await program.putBytes(`pool ${round}`);
    // Between storing and recording lies a whole training.
    await wait(Number(seed) * 5);
    await ledger.append(
      recordOf({ step: `${seed}-${round}`, outputs: { own, shared }, run: `run-${seed}`, keyParts: own.digest }),
    );
    process.stdout.write(`${own.digest}\n${shared.digest}\n`);
    program.close();
  }
  ledger.close();
} else {
  let ended = false;
  process.stdin.resume();
  process.stdin.once('end', () => {
    ended = true;
  });
  const roots = async (): Promise<Digest[]> => {
    const ledger = openLedger(folder);
    const found = ledger.list().flatMap(({ record }) => Object.values(record.outputs).map(({ digest }) => digest));
    ledger.close();
    return [...found, digestOf('')];
  };
  const counts = { rounds: 0, collected: 0, deleted: 0, restored: 0 };
  while (!ended) {
    const found = await store.collect({ roots, grace: 0, keep: 0 });
    counts.rounds += 1;
    counts.collected += found.collected.objects;
    counts.deleted += found.deleted.objects;
    counts.restored += found.restored;
    await wait(1);
  }
  process.stdout.write(`${JSON.stringify(counts)}\n`);
}

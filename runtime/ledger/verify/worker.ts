/** Entry of a verifying thread: reads its share of the records, answers once, ends. */
import { parentPort, workerData } from 'node:worker_threads';
import { nodeFileSystem } from '../../store/filesystem.ts';
import { placeFinder } from '../log/logs.ts';
import type { JudgedSignature } from '../signature.ts';
import { verifyShards } from './records.ts';
import type { VerifyAnswer, VerifyShare } from './threads.ts';

async function answer({ store, trust, shards, only }: VerifyShare): Promise<VerifyAnswer> {
  const places = placeFinder(nodeFileSystem, store);
  const context = { trust, places, ...(only === undefined ? {} : { only }) };
  const { whole, present, problems, signatures, orphans } = await verifyShards(nodeFileSystem, store, shards, context);
  const said: JudgedSignature[] = [];
  const numbers = new Map<string, number>();
  const numberOf = (judged: JudgedSignature): number => {
    const text = JSON.stringify(judged);
    const known = numbers.get(text) ?? said.push(judged) - 1;
    numbers.set(text, known);
    return known;
  };
  return {
    said,
    whole: [...whole].map(([digest, checked]) => [digest, checked.signatures.map(numberOf)]),
    present: [...present],
    problems,
    signatures,
    orphans,
  };
}

// The share was put there by `verifyInThreads`, which is the only one to start this file.
void answer(workerData as VerifyShare).then((found) => parentPort?.postMessage(found));

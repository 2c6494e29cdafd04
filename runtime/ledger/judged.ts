/** Records together with what their signatures are worth. */
import { MlpipeError } from '../errors.ts';
import { readTrust, type Trust } from './keys/trust.ts';
import type { Ledger } from './ledger.ts';
import { placeFinder } from './log/logs.ts';
import type { StoredRecord } from './record.ts';
import { isSigned, type JudgedSignature, judge, judgeTogether } from './signature.ts';

export interface SignedRecord extends StoredRecord {
  /** None: the record is not signed. */
  signatures: JudgedSignature[];
}

/** @param warn is told where the project's keys cannot be read; then nobody is trusted */
export async function withSignatures(
  root: string,
  ledger: Ledger,
  records: readonly StoredRecord[],
  warn: (message: string) => void,
): Promise<SignedRecord[]> {
  let trust: Trust = new Map();
  try {
    trust = readTrust(root);
  } catch (error) {
    if (!(error instanceof MlpipeError)) throw error;
    warn(`${error.message} Until then nobody is trusted.`);
  }
  const places = placeFinder(ledger.files, ledger.folder);
  const judged: SignedRecord[] = [];
  for (const stored of records) {
    const signatures: JudgedSignature[] = [];
    const read = ledger.signatures(stored.digest);
    const content = read.length === 0 ? Buffer.alloc(0) : ledger.content(stored.digest);
    for (const each of read) {
      const fits = await isSigned(content, each);
      signatures.push(judge(each, fits, stored.record, trust, () => places(each.key.id, stored.digest)));
    }
    judged.push({ ...stored, signatures: judgeTogether(signatures, stored.record, trust) });
  }
  return judged;
}

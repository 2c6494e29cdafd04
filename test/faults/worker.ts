/**
 * A process that is to be killed: stores what it is told to and says on its standard output what it was promised.
 *
 * `worker.ts objects FOLDER SOURCE [ROUND]`, `worker.ts record FOLDER [KEYS]`: with keys, records are signed and logged.
 */
import { writeSync } from 'node:fs';
import { identityIn } from '../../runtime/ledger/keys/identity.ts';
import { openLedger } from '../../runtime/ledger/ledger.ts';
import { openStore } from '../../runtime/store/open.ts';
import { recordOf } from '../runtime/records.ts';

const [what, folder = '', source = '', round = ''] = process.argv.slice(2);
if (what === 'objects') {
  const store = openStore(folder);
  for (const content of ['one', 'two']) writeSync(1, `${(await store.putBytes(content + round)).digest}\n`);
  writeSync(1, `${(await store.put(source)).digest}\n`);
} else {
  const ledger = openLedger(folder, source === '' ? {} : { identity: identityIn(folder, source) });
  for (const step of ['one', 'two']) writeSync(1, `${await ledger.append(recordOf({ step }))}\n`);
  ledger.close();
}

/** Sends one large file to S3, and is killed over it: `STORE ENDPOINT NAME BYTES`. */
import { createHash } from 'node:crypto';
import { contentOf } from '../../runtime/store/remotes/driver.ts';
import { openRemote } from '../../runtime/store/remotes/open.ts';
import { pseudoRandom } from './support.ts';

const [store = '', endpoint = '', name = '', bytes = ''] = process.argv.slice(2);
const settings = { url: 's3://models/of/all', endpoint, region: 'us-east-1', pathStyle: true };
const driver = await openRemote(store, { name: 'shared', settings }, store);
const content = pseudoRandom(Number(bytes));
const sha256 = createHash('sha256').update(content).digest('hex');
process.stdout.write(await driver.put(name, contentOf(content, sha256)));
await driver.close();

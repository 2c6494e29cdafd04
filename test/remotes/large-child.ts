/** Sends or fetches one object, for a test that lets the disk fail or ends it: `send|receive STORE REMOTE DIGEST`. */

import { isDigest } from '../../runtime/store/manifest.ts';
import { openStore } from '../../runtime/store/open.ts';
import { openFolder } from '../../runtime/store/remotes/drivers/folder.ts';
import { receive, send } from './support.ts';

const [direction, folder = '', remote = '', digest] = process.argv.slice(2);
if (!isDigest(digest)) throw new Error('Which object?');
const driver = openFolder(remote);
try {
  await (direction === 'send' ? send : receive)(openStore(folder), [digest], driver);
} finally {
  await driver.close();
}

/**
 * For a test that lets the disk fail, or be slow, or ends it: sends or fetches one object (`send|receive STORE REMOTE
 * DIGEST`), or writes as much as it can (`write FILE BYTES`).
 */
import fs from 'node:fs';

import { isDigest } from '../../runtime/store/manifest.ts';
import { openStore } from '../../runtime/store/open.ts';
import { openFolder } from '../../runtime/store/remotes/drivers/folder.ts';
import { WriteBehind } from '../../runtime/store/remotes/write-behind.ts';
import { receive, send } from './support.ts';

const MIB = 2 ** 20;
const [direction, ...words] = process.argv.slice(2);
await (direction === 'write' ? write : carry)();

async function carry(): Promise<void> {
  const [folder = '', remote = '', digest] = words;
  if (!isDigest(digest)) throw new Error('Which object?');
  const driver = openFolder(remote);
  try {
    await (direction === 'send' ? send : receive)(openStore(folder), [digest], driver);
  } finally {
    await driver.close();
  }
}

async function write(): Promise<void> {
  const [path = '', bytes] = words;
  const file = fs.openSync(path, 'wx');
  const behind = new WriteBehind(file);
  const zeros = Buffer.alloc(MIB);
  for (let written = 0; written < Number(bytes); written += MIB) await behind.write(zeros);
  await behind.sync();
  fs.closeSync(file);
}

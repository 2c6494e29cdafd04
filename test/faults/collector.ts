/** Collects once, without any grace, and says what it did: `collector.ts FOLDER DIGEST…` keeps these. */
import { isDigest } from '../../runtime/store/manifest.ts';
import { openStore } from '../../runtime/store/open.ts';

const [folder = '', ...kept] = process.argv.slice(2);
const store = openStore(folder);
const found = await store.collect({ roots: async () => kept.filter(isDigest), grace: 0, keep: 0 });
process.stdout.write(`${JSON.stringify(found)}\n`);

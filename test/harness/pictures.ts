/** Makes the pictures in `media/` anew, in a real VS Code: `npm run pictures`. Look at them before they are committed. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runEditorSuite } from './editor.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
const PICTURES = { 'picture-overview': 'screenshot', 'picture-lineage': 'lineage' };

const { failed } = await runEditorSuite(['pictures']);
if (failed === 0) {
  for (const [made, kept] of Object.entries(PICTURES)) {
    copyFileSync(join(root, 'test/.out/screenshots', `${made}.png`), join(root, 'media', `${kept}.png`));
    console.log(`media/${kept}.png`);
  }
}
process.exitCode = failed === 0 ? 0 : 1;

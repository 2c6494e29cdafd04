/** Makes the addon for this platform beside the bundles, as releases do after `npm run build`. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addonName, buildAddon, compilerOnPath } from './addon.ts';

const compiler = compilerOnPath();
if (compiler === undefined) throw new Error('There is no C++ compiler on the search path.');
const target = join(fileURLToPath(new URL('../../../dist/tensorflow/', import.meta.url)), addonName());
await buildAddon(compiler, target);
console.log(target);

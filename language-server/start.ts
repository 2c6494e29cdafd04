/**
 * Where the bundled server begins. What V8 has compiled is kept from one start to the next, which has to be asked for
 * before the server itself is read; from the source one starts `main.ts`.
 */
import * as nodeModule from 'node:module';

// A Node that is too old has no such function; the server says so.
nodeModule.enableCompileCache?.();
nodeModule.createRequire(import.meta.url)('./language-server.cjs');
// Written when a process ends by itself, and an editor may end its server in other ways.
setTimeout(() => nodeModule.flushCompileCache?.(), 5000).unref();

/** Builds what ships: one bundle a process, into `dist/`. */
import { readFileSync } from 'node:fs';
import { copyFile, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build } from 'esbuild';

const require = createRequire(import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };

/** Native modules, and what is found at run time where it is installed. */
const external = ['vscode', 'better-sqlite3', 'webgpu', '@tensorflow/tfjs-node'];

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node22',
  format: 'cjs',
  external,
  minify: true,
  sourcemap: true,
  sourcesContent: false,
  legalComments: 'none',
  logLevel: 'warning',
  loader: { '.mlpipe': 'text' },
  define: {
    'import.meta.url': 'importMetaUrl',
    'process.env.MLPIPE_VERSION': JSON.stringify(manifest.version),
  },
  banner: { js: "const importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
};

/** Output name → entry file. The names are the processes of docs/architecture.md. */
const entries: Record<string, string> = {
  extension: 'extension/extension.ts',
  server: 'language-server/main.ts',
  cli: 'runtime/cli/main.ts',
  worker: 'runtime/train/worker.ts',
  'store-worker': 'runtime/store/worker.ts',
  'facts-worker': 'runtime/facts/worker.ts',
};

/**
 * A kept name costs a call wherever a function is made, and a parser makes several for each word that it reads: the
 * language server would take twice as long for every key. Nothing in it depends on what its functions are called.
 */
const nameless: ReadonlySet<string> = new Set(['server', 'facts-worker']);

/** What the webviews run: for the browser, in a folder of its own, which is all that a page may read. */
const pages: Record<string, string> = {
  'lineage-page.js': 'extension/features/lineage/page/main.ts',
  'lineage-page.css': 'extension/features/lineage/page/page.css',
};

const page: BuildOptions = {
  bundle: true,
  platform: 'browser',
  target: 'chrome140',
  format: 'iife',
  minify: true,
  legalComments: 'none',
  logLevel: 'warning',
};

const dist = fileURLToPath(new URL('dist/', import.meta.url));
// Built beside, then moved over: whoever runs from `dist/` meanwhile finds either the old bundle or the new one.
const building = fileURLToPath(new URL(`node_modules/.cache/mlpipe-build-${process.pid}/`, import.meta.url));
await rm(building, { recursive: true, force: true });
await mkdir(building, { recursive: true });
try {
  await Promise.all([
    ...Object.entries(entries).map(([name, entry]) =>
      build({
        ...common,
        entryPoints: [entry],
        outfile: join(building, `${name}.cjs`),
        keepNames: !nameless.has(name),
      }),
    ),
    ...Object.entries(pages).map(([name, entry]) =>
      build({ ...page, entryPoints: [entry], outfile: join(building, 'pages', name) }),
    ),
  ]);
  // The WASM back end looks for its binaries beside the bundle.
  const wasm = dirname(require.resolve('@tensorflow/tfjs-backend-wasm'));
  for (const name of ['tfjs-backend-wasm.wasm', 'tfjs-backend-wasm-simd.wasm']) {
    await copyFile(join(wasm, name), join(building, name));
  }
  await mkdir(dist, { recursive: true });
  const made = await readdir(building);
  // A folder is moved over none that is there.
  await rm(join(dist, 'pages'), { recursive: true, force: true });
  for (const name of made) await rename(join(building, name), join(dist, name));
  for (const name of await readdir(dist))
    if (!made.includes(name)) await rm(join(dist, name), { recursive: true, force: true });
} finally {
  await rm(building, { recursive: true, force: true });
}

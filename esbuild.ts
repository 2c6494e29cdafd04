/** Builds what ships: one bundle a process, into `dist/`. */
import { readFileSync } from 'node:fs';
import { copyFile, cp, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import { addonSources } from './runtime/engines/tensorflow/addon.ts';

const require = createRequire(import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('package.json', import.meta.url), 'utf8')) as { version: string };

/** Native modules, and what is found at run time where it is installed. */
const external = ['vscode', 'better-sqlite3', 'webgpu'];

/**
 * Large libraries that few need are bundles of their own, found beside the one that asks for them: the command line
 * would else read them at every start.
 */
const apart: Record<string, string> = { 'remote-s3': 'runtime/store/remotes/drivers/s3.ts' };

const keptApart: Plugin = {
  name: 'kept-apart',
  setup({ onResolve }) {
    for (const [name, entry] of Object.entries(apart)) {
      const file = entry.slice(entry.lastIndexOf('/') + 1);
      onResolve({ filter: new RegExp(`/${file.replace('.', '\\.')}$`) }, ({ kind, importer }) =>
        kind === 'dynamic-import' && importer.replaceAll('\\', '/').includes('/store/remotes/')
          ? { path: `./${name}.cjs`, external: true }
          : undefined,
      );
    }
  },
};

const common: BuildOptions = {
  bundle: true,
  platform: 'node',
  target: 'node22',
  format: 'cjs',
  external,
  // tfjs-node uses of `tfjs` what the core has, and must use this very core: gradients are mended in it.
  alias: { '@tensorflow/tfjs': '@tensorflow/tfjs-core' },
  plugins: [keptApart],
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
  server: 'language-server/start.ts',
  'language-server': 'language-server/main.ts',
  cli: 'runtime/cli/main.ts',
  worker: 'runtime/train/worker.ts',
  'store-worker': 'runtime/store/worker.ts',
  'verify-worker': 'runtime/ledger/verify/worker.ts',
  'facts-worker': 'runtime/facts/worker.ts',
  ...apart,
};

/**
 * A kept name costs a call wherever a function is made, and a parser makes several for each word that it reads: the
 * language server would take twice as long for every key. Nothing in it depends on what its functions are called.
 */
const nameless: ReadonlySet<string> = new Set(['language-server', 'facts-worker']);

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
  // Where no addon for TensorFlow was made beforehand, it is built from these.
  const source = join(building, 'tensorflow', 'source');
  for (const [part, folder] of Object.entries(addonSources())) {
    await cp(folder, join(source, part), { recursive: true });
  }
  await mkdir(dist, { recursive: true });
  const made = await readdir(building);
  // A folder is not renamed over another one.
  for (const name of ['tensorflow', 'pages']) await rm(join(dist, name), { recursive: true, force: true });
  for (const name of made) await rename(join(building, name), join(dist, name));
  for (const name of await readdir(dist))
    if (!made.includes(name)) await rm(join(dist, name), { recursive: true, force: true });
} finally {
  await rm(building, { recursive: true, force: true });
}

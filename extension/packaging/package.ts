/**
 * Writes `mlpipe-<version>.vsix` from the fresh bundles, and prints its size. `--target linux-x64` packs for one
 * platform, without the other platforms' binaries; `--out FOLDER` says where to.
 */
import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { packedManifest, type Target, wantedFiles } from './contents.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** @returns the path of the package and its size in bytes */
export async function packExtension(
  folder: string,
  target?: Target,
): Promise<{ path: string; bytes: number; files: number }> {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const { files, unmatched } = await wantedFiles(root, target);
  if (unmatched.length > 0) {
    throw new Error(`The package lacks ${unmatched.join(', ')}. Build first: npm run build.`);
  }
  const stage = await mkdtemp(join(tmpdir(), 'mlpipe-package-'));
  try {
    for (const { from, to } of files) {
      await mkdir(dirname(join(stage, to)), { recursive: true });
      await cp(join(root, from), join(stage, to));
    }
    await writeFile(join(stage, 'package.json'), `${JSON.stringify(packedManifest(manifest), undefined, 2)}\n`);
    const path = join(folder, `mlpipe-${target === undefined ? '' : `${target}-`}${manifest.version}.vsix`);
    const { createVSIX } = await import('@vscode/vsce');
    await createVSIX({
      cwd: stage,
      packagePath: path,
      dependencies: false,
      allowMissingRepository: true,
      rewriteRelativeLinks: false,
      ...(target === undefined ? {} : { target }),
    });
    return { path, bytes: (await stat(path)).size, files: files.length + 1 };
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { target: { type: 'string' }, out: { type: 'string', default: '.' } } });
  // vsce itself refuses a platform that it doesn't know.
  const { path, bytes, files } = await packExtension(resolve(values.out), values.target as Target | undefined);
  console.log(`${path}: ${(bytes / 1024 / 1024).toFixed(1)} MiB, ${files} files`);
}

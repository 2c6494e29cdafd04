/**
 * Runs the editor suites inside a real VS Code: by default the web server of vscode-server.ts in a headless Chromium;
 * with `MLPIPE_EDITOR=desktop`, or where no Chromium is found, a desktop VS Code that @vscode/test-electron downloads.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { downloadAndUnzipVSCode, resolveCliArgsFromVSCodeExecutablePath, runTests } from '@vscode/test-electron';
import { build } from 'esbuild';
import { findChromium, prepareVsCodeServer } from './vscode-server.ts';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const output = join(root, 'test/.out');

export interface EditorSuiteResult {
  passed: number;
  failed: number;
}

/** One start of VS Code. */
interface Session {
  /** Folder below `test/editor/` with its test files. */
  name: string;
  /** Folder below `examples/` that is copied and opened. */
  example: string;
  /** The folder is not trusted. A desktop VS Code cannot be started so by @vscode/test-electron. */
  restricted?: boolean;
  /** The extension is packed and installed, not taken from this folder. */
  installed?: boolean;
  /** It proves nothing, and runs only where it is named. */
  named?: boolean;
}

const sessions: Session[] = [
  { name: 'workbench', example: 'digits' },
  { name: 'restricted', example: 'digits', restricted: true },
  { name: 'installed', example: 'digits', installed: true },
  { name: 'pictures', example: 'digits', named: true },
];

/** What would move in a picture or ask questions, switched off. */
const settings = {
  'chat.disableAIFeatures': true,
  'editor.minimap.enabled': false,
  'extensions.autoCheckUpdates': false,
  'extensions.ignoreRecommendations': true,
  'git.autoRepositoryDetection': false,
  'git.enabled': false,
  'security.workspace.trust.banner': 'always',
  'security.workspace.trust.startupPrompt': 'never',
  'telemetry.telemetryLevel': 'off',
  'update.mode': 'none',
  'workbench.enableExperiments': false,
  'workbench.secondarySideBar.defaultVisibility': 'hidden',
  'workbench.startupEditor': 'none',
  'workbench.tips.enabled': false,
};

/** Runs every session, or those named. The bundles in `dist/` must be fresh: `npm run build`. */
export async function runEditorSuite(names: readonly string[] = []): Promise<EditorSuiteResult> {
  const chosen = sessions.filter(({ name, named }) => (names.length === 0 ? !named : names.includes(name)));
  if (chosen.length === 0) throw new Error(`No editor session is called ${names.join(', ')}.`);
  const total: EditorSuiteResult = { passed: 0, failed: 0 };
  for (const session of chosen) {
    const result = await runSession(session);
    total.passed += result.passed;
    total.failed += result.failed;
  }
  return total;
}

async function runSession(session: Session): Promise<EditorSuiteResult> {
  console.log(`\n  editor: ${session.name}\n`);
  const scratch = await mkdtemp(join(tmpdir(), 'mlpipe-editor-suite-'));
  try {
    const bundles = await bundleTests(session.name);
    const workspace = join(scratch, session.example);
    await copyExample(session.example, workspace);
    const resultFile = join(scratch, 'result.json');
    const extensions = join(scratch, 'extensions');
    const executable = await editorExecutable();
    if (session.restricted && executable.vscodeExecutablePath === undefined) {
      console.log('    left out: a desktop VS Code under test trusts every folder');
      return { passed: 0, failed: 0 };
    }
    if (session.installed) await installPackage(executable, scratch, extensions);
    const trouble = await runTests({
      ...executable,
      extensionDevelopmentPath: session.installed ? join(root, 'test/editor/probe') : root,
      extensionTestsPath: join(bundles, 'suite.cjs'),
      launchArgs: [workspace, `--extensions-dir=${extensions}`, `--user-data-dir=${join(scratch, 'user')}`],
      extensionTestsEnv: {
        ...executable.environment,
        MLPIPE_EDITOR_RESULT: resultFile,
        MLPIPE_EDITOR_OUTPUT: join(output, 'screenshots'),
        MLPIPE_EDITOR_SETTINGS: JSON.stringify(settings),
        ...(session.restricted ? { MLPIPE_EDITOR_RESTRICTED: '1' } : {}),
        // The stand-in is started by its first line, which takes the Node of the path.
        PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`,
      },
    }).then(
      () => undefined,
      (error: unknown) => error,
    );
    return await readResult(resultFile, trouble);
  } finally {
    await rm(scratch, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function readResult(file: string, trouble: unknown): Promise<EditorSuiteResult> {
  if (!existsSync(file)) {
    console.error(`  The editor ended without a result: ${trouble instanceof Error ? trouble.message : trouble}`);
    return { passed: 0, failed: 1 };
  }
  // Written by test/editor/suite.ts in this very shape.
  const result = JSON.parse(await readFile(file, 'utf8')) as {
    passed: number;
    failures: { title: string; error: string }[];
  };
  const none = result.passed + result.failures.length === 0;
  if (none) console.error('  No test was found: a suite without tests proves nothing.');
  return { passed: result.passed, failed: none ? 1 : result.failures.length };
}

/** A copy without what runs leave behind, committed to a repository of its own: as after a clone. */
async function copyExample(name: string, target: string): Promise<void> {
  const source = join(root, 'examples', name);
  if (!existsSync(source)) throw new Error(`There is no example ${name} to open.`);
  await cp(source, target, { recursive: true, filter: (file) => !/[\\/](\.mlpipe|\w+\.mlpipe\.lock)$/.test(file) });
  await writeFile(join(target, '.gitignore'), '.mlpipe/\n');
  const git = (...words: string[]) => execute('git', words, { cwd: target });
  await git('init', '--quiet', '--initial-branch=main');
  await git('config', 'user.name', 'Ada Lovelace');
  await git('config', 'user.email', 'ada@example.org');
  await git('config', 'commit.gpgsign', 'false');
  await git('add', '--all');
  await git('commit', '--quiet', '--message=Recognise digits');
}

/** Packs the extension and installs it as a person would, with the editor's own command line. */
async function installPackage(executable: Executable, scratch: string, extensions: string): Promise<void> {
  const packer = join(root, 'extension/packaging/package.ts');
  const { stdout } = await execute(process.execPath, [packer, `--out=${scratch}`]);
  // The packer lists what is in it, and then says where it is and how large.
  console.log(`    the package: ${stdout.trimEnd().split('\n').at(-1)?.split(/[\\/]/).at(-1)}`);
  const path = (await readdir(scratch)).filter((name) => name.endsWith('.vsix')).map((name) => join(scratch, name))[0];
  if (path === undefined) throw new Error('The packer wrote no package.');
  const words = [`--install-extension=${path}`, `--extensions-dir=${extensions}`, '--force'];
  const server = executable.environment.MLPIPE_EDITOR_SERVER;
  if (server !== undefined) {
    const main = join(server, 'out/server-main.js');
    const data = join(scratch, 'server-data');
    await execute(process.execPath, [main, ...words, `--server-data-dir=${data}`, '--accept-server-license-terms']);
    return;
  }
  const desktop = await downloadAndUnzipVSCode();
  const [cli = desktop, ...first] = resolveCliArgsFromVSCodeExecutablePath(desktop);
  await execute(cli, [...first, ...words], { shell: process.platform === 'win32' });
}

/** VS Code loads CommonJS; the tests are TypeScript modules. */
async function bundleTests(name: string): Promise<string> {
  const folder = join(root, 'test/editor', name);
  const tests = (await readdir(folder)).filter((file) => file.endsWith('.test.ts'));
  const target = join(output, 'editor', name);
  await rm(target, { recursive: true, force: true });
  await build({
    entryPoints: [...tests.map((file) => join(folder, file)), join(root, 'test/editor/suite.ts')].map((file) => ({
      in: file,
      out: (file.split(/[\\/]/).at(-1) ?? file).replace(/\.ts$/, ''),
    })),
    outdir: target,
    outExtension: { '.js': '.cjs' },
    bundle: true,
    platform: 'node',
    target: 'node22',
    format: 'cjs',
    external: ['vscode', 'mocha'],
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  return target;
}

interface Executable {
  /** Nothing for a desktop VS Code that is to be downloaded. */
  vscodeExecutablePath?: string;
  environment: Record<string, string>;
}

async function editorExecutable(): Promise<Executable> {
  const chromium = findChromium();
  if (process.env.MLPIPE_EDITOR === 'desktop' || chromium === undefined) return { environment: {} };
  return {
    vscodeExecutablePath: join(root, 'test/harness/vscode-web.cjs'),
    environment: {
      MLPIPE_EDITOR_SERVER: await prepareVsCodeServer((line) => console.log(`  ${line}`)),
      MLPIPE_EDITOR_CHROMIUM: chromium,
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { passed, failed } = await runEditorSuite(process.argv.slice(2));
  console.log(`\n  ${passed} passing\n  ${failed} failing`);
  process.exitCode = failed === 0 ? 0 : 1;
}

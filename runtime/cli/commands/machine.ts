/** `engine`, `doctor`, `schema`, `lsp`, `rpc`: this machine, and the servers. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { answer, type Output, paint, table, talk, telling } from '../output.ts';
import { SCHEMAS, schemaDocument } from '../schemas/index.ts';

interface Context {
  folder: string;
  output: Output;
  version: string;
}

export async function engine(
  { folder: here, output }: Context,
  options: { gpu?: boolean },
  what = 'list',
  name?: string,
): Promise<ExitCode> {
  if (what === 'list') return tellEngines(output, engineTable);
  const { version } = wantedEngine(what, name);
  const distribution = options.gpu === true ? 'gpu' : 'cpu';
  switch (what) {
    case 'install': {
      const told = installationTeller(output, `installing TensorFlow ${version}`);
      const install = (project?: api.Project) =>
        api.installTensorflow(version, distribution, { ...told, ...(project ? { project } : {}) });
      // A project may retain it; where there is none, none is begun for this.
      const isProject = existsSync(join(api.rootOf(here), '.mlpipe', 'format'));
      const { folder } = await (isProject ? api.withProject(here, install, telling(output)) : install());
      return tellEngines(output, () => `TensorFlow ${version} is installed: ${folder}\n`);
    }
    case 'verify':
      await api.verifyTensorflow(version, distribution);
      return tellEngines(output, () => `TensorFlow ${version} is what was installed, byte for byte.\n`);
    default:
      api.removeTensorflow(version, distribution);
      return tellEngines(output, () => `TensorFlow ${version} is removed. A run that pins it installs it again.\n`);
  }
}

/** With `--json` every word of `engine` answers what can train then. */
async function tellEngines(output: Output, text: (engines: Awaited<ReturnType<typeof api.engines>>) => string) {
  const engines = await api.engines();
  answer(output, engines, () => text(engines));
  return EXIT.yes;
}

function engineTable(engines: Awaited<ReturnType<typeof api.engines>>): string {
  return table(
    engines.map(({ name, state, versions, installableFrom, reason, deterministic }) => [
      name,
      paint(state === 'installed' ? 'green' : 'yellow', state, process.stdout),
      [...versions, ...(installableFrom === undefined ? [] : [`any from ${installableFrom} on`])].join(', '),
      deterministic ? 'repeatable' : 'close',
      reason ?? '',
    ]),
  );
}

/** `tensorflow@2.19.1` */
function wantedEngine(what: string, word: string | undefined): { version: string } {
  if (!['install', 'remove', 'verify'].includes(what)) {
    throw new MlpipeError(`\`mlpipe engine\` does not know ${what}.`, {
      code: 'usage',
      todo: 'Write `engine list`, `engine install`, `engine remove` or `engine verify`.',
      exit: EXIT.usage,
    });
  }
  const [name, version] = (word ?? '').split('@');
  if (name === 'tensorflow' && version) return { version };
  const comes = name === 'wasm' || name === 'webgpu';
  throw new MlpipeError(
    comes
      ? `${name} comes with mlpipe: there is nothing to ${what}.`
      : `\`engine ${what}\` needs an engine and its version.`,
    { code: 'usage', todo: `Write for example \`mlpipe engine ${what} tensorflow@2.19.1\`.`, exit: EXIT.usage },
  );
}

/** In a terminal one line that is written over; elsewhere a line at the beginning, as a log has no use for more. */
function installationTeller(output: Output, what: string): { onProgress: (share: number) => void } {
  let last = -1;
  return {
    onProgress(share) {
      if (output.quiet) return;
      const percent = Math.floor(share * 100);
      if (process.stderr.isTTY !== true) {
        if (last < 0) talk(output, what);
      } else if (percent !== last) {
        process.stderr.write(`\r${what} ${percent} %${percent >= 100 ? '\n' : ''}`);
      }
      last = percent;
    },
  };
}

export async function doctor({ folder, output }: Context): Promise<ExitCode> {
  return api.withProject(folder, async (project) => {
    const found = await api.doctor(project);
    answer(output, found, () =>
      found.points
        .map((point) => {
          const mark = point.ok ? paint('green', '✓', process.stdout) : paint('yellow', '!', process.stdout);
          return `${mark} ${point.name}: ${point.found}${point.todo === undefined ? '' : `\n    ${point.todo}`}`;
        })
        .join('\n'),
    );
    return found.ok ? EXIT.yes : EXIT.no;
  });
}

export async function schema({ output }: Context, _options: unknown, name?: string): Promise<ExitCode> {
  if (name === undefined) {
    answer(output, Object.keys(SCHEMAS), () => Object.keys(SCHEMAS).join('\n'));
    return EXIT.yes;
  }
  const document = schemaDocument(name);
  if (!document) {
    throw new MlpipeError(`There is no shape ${name}.`, {
      code: 'schema-unknown',
      todo: `Name one of ${Object.keys(SCHEMAS).join(', ')}.`,
      exit: EXIT.usage,
    });
  }
  process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`);
  return EXIT.yes;
}

export async function lsp(): Promise<ExitCode> {
  // Another floor's bundle: found beside this one, never imported.
  const server = join(dirname(fileURLToPath(import.meta.url)), 'server.cjs');
  if (!existsSync(server))
    throw new MlpipeError('The language server has not been built.', {
      code: 'not-built',
      todo: 'Run `npm run build`.',
      exit: EXIT.usage,
    });
  if (!process.argv.some((word) => ['--stdio', '--node-ipc'].includes(word) || word.startsWith('--socket')))
    process.argv.push('--stdio');
  await import(pathToFileURL(server).href);
  return new Promise(() => undefined);
}

export async function rpc({ version }: Context): Promise<ExitCode> {
  const { serveRpc } = await import('../../rpc/server.ts');
  await serveRpc(process.stdin, process.stdout, version);
  // A run that the editor no longer hears of is ended with it.
  process.exit(EXIT.yes);
}

/** `engine`, `doctor`, `schema`, `lsp`, `rpc`: this machine, and the servers. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { answer, type Output, paint, table } from '../output.ts';
import { SCHEMAS, schemaDocument } from '../schemas.ts';

interface Context {
  folder: string;
  output: Output;
  version: string;
}

export async function engine({ output }: Context, _options: unknown, what = 'list'): Promise<ExitCode> {
  if (what !== 'list') {
    throw new MlpipeError(`\`mlpipe engine ${what}\` is not there yet.`, {
      code: 'not-yet',
      todo: '`mlpipe engine list` says what can train here, and what the rest needs.',
      exit: EXIT.usage,
    });
  }
  const engines = await api.engines();
  answer(output, engines, () =>
    table(
      engines.map(({ name, state, versions, reason, deterministic }) => [
        name,
        paint(state === 'installed' ? 'green' : 'yellow', state, process.stdout),
        versions.join(', '),
        deterministic ? 'repeatable' : 'close',
        reason ?? '',
      ]),
    ),
  );
  return EXIT.yes;
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

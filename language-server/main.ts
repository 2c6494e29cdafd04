/**
 * The language server's process, over stdio (`--stdio`, or no argument) or a Node channel (`--node-ipc`). The only file
 * of this floor that knows the process: everything else is handed what it needs.
 */
import process from 'node:process';
import v8 from 'node:v8';
import manifest from '../package.json' with { type: 'json' };
import { checkNode } from '../runtime/node-floor.cjs';

/**
 * At every key the tree of the whole file is made anew, and the old one is garbage. Left alone, the heap grows to four
 * times what is in use before it is collected. Less than twice takes hardly more time, and half of the memory.
 */
v8.setFlagsFromString('--heap-growing-percent=60');

if (checkNode()) void start();
else process.exitCode = 2;

async function start(): Promise<void> {
  // Loaded only now: an old Node must have been told of before anything that it cannot load.
  const [
    { createConnection, IPCMessageReader, IPCMessageWriter, ProposedFeatures },
    { NodeFileSystem },
    server,
    world,
  ] = await Promise.all([
    import('vscode-languageserver/node'),
    import('langium/node'),
    import('./server.ts'),
    import('./workspace/runtime-world.ts'),
  ]);

  const overChannel = process.argv.includes('--node-ipc');
  const connection = overChannel
    ? createConnection(ProposedFeatures.all, new IPCMessageReader(process), new IPCMessageWriter(process))
    : createConnection(ProposedFeatures.all, process.stdin, process.stdout);
  if (overChannel) process.on('disconnect', () => process.exit(1));
  else keepOutputForTheProtocol();

  for (const level of ['log', 'info', 'debug', 'warn', 'error'] as const) {
    console[level] = (...words: unknown[]) => server.tellClient(connection, level, words);
  }
  const survive = (error: unknown) => server.tellClient(connection, 'error', ['Unhandled:', error]);
  process.on('uncaughtException', survive);
  process.on('unhandledRejection', survive);

  server.serve({
    connection,
    fileSystem: NodeFileSystem,
    world: world.runtimeWorld(),
    version: manifest.version,
    // The pages come along, so that they are those of this version and need no network.
    pageOf: (code) => new URL(`../docs/diagnostics/${code}.md`, import.meta.url).href,
  });
}

/** Whatever writes to the standard output from now on writes to the error stream: only messages may stand there. */
function keepOutputForTheProtocol(): void {
  const error = process.stderr;
  Object.defineProperty(process, 'stdout', { get: () => error });
}

/**
 * What a person waits for: from a key to the diagnostics of that version, to a completion, from the start to the first
 * diagnostic; and what it costs. The bundle where it has been built, the source otherwise, as a process over stdio that
 * is started as the editor starts it.
 *
 * The best of three runs where times are measured. `B1` … `B9` are the names of the targets in docs/language-server.md.
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { CancellationTokenSource } from 'vscode-jsonrpc/node';
import type { Position, Range } from 'vscode-languageserver-protocol';
import { SERVER_FLAGS } from '../../extension/infrastructure/server-flags.ts';
import { Client, SERVER } from '../language-server/client.ts';
import { manyLines, positionOf } from '../language-server/sample.ts';
import { metric } from './report.ts';

const bundle = fileURLToPath(new URL('../../dist/server.cjs', import.meta.url));
const server = existsSync(bundle) ? bundle : SERVER;

const FILES = 1000;
const KEYS: Record<number, number> = { 200: 200, 1000: 100, 10000: 40 };

/** From a key to the diagnostics, by the lines of the document: name, and targets of the median and of the slowest. */
const TYPING: Record<number, { name: string; median: string; slowest: string }> = {
  200: { name: 'B1', median: '8 ms', slowest: '30 ms' },
  1000: { name: 'B2', median: '25 ms', slowest: '75 ms' },
  10000: { name: 'B3', median: '200 ms', slowest: '350 ms' },
};

async function bench(): Promise<void> {
  await coldStart();
  for (const lines of [200, 1000, 10_000]) await typing(lines);
  await workspace();
}

// ---------------------------------------------------------------- B6

async function coldStart(): Promise<void> {
  const ready: number[] = [];
  const first: number[] = [];
  const text = manyLines(200);
  for (let run = 0; run < 3; run++) {
    const started = performance.now();
    const client = await Client.start({ server, flags: SERVER_FLAGS });
    ready.push(performance.now() - started);
    await client.open('untitled:a', text);
    await client.diagnostics('untitled:a');
    first.push(performance.now() - started);
    client.kill();
  }
  metric('B6 start to initialized', Math.min(...ready), 'ms', '≤ 150 ms');
  metric('B6 start to first diagnostic', Math.min(...first), 'ms', '≤ 250 ms');
}

// ---------------------------------------------------------------- B1 – B5, B9

async function typing(lines: number): Promise<void> {
  const text = manyLines(lines);
  const uri = 'untitled:typing';
  const client = await Client.start({ server, flags: SERVER_FLAGS });
  await client.open(uri, text);
  await client.diagnostics(uri);
  const position = middle(text, 'epochs     12', 'epochs     12'.length);
  const keyboard = keyboardAt(client, uri, position);
  const target = TYPING[lines];
  const name = `${target?.name} key to diagnostics, ${lines.toLocaleString('en-GB')} lines`;
  const medians: number[] = [];
  const tails: number[] = [];
  const keys = KEYS[lines] ?? 40;
  for (let run = 0; run < 3; run++) {
    const latencies: number[] = [];
    for (let key = 0; key < keys; key++) {
      const started = performance.now();
      const version = await keyboard();
      await client.diagnostics(uri, (params) => params.version === version);
      latencies.push(performance.now() - started);
    }
    medians.push(quantile(latencies, 0.5));
    tails.push(quantile(latencies, 0.99));
  }
  metric(`${name}, median`, Math.min(...medians), 'ms', `≤ ${target?.median}`);
  metric(`${name}, slowest of a hundred`, Math.min(...tails), 'ms', `≤ ${target?.slowest}`);
  if (lines === 10_000) {
    for (const pace of [30, 150]) await burst(client, uri, keyboard, pace);
  }
  if (lines > 200) await completions(client, uri, text, lines, keyboard);
  if (lines === 10_000) metric('B9 memory, 10,000 lines', memory(client), 'MiB', '≤ 300 MiB');
  if (lines === 200) await leak(client, uri, keyboard);
  client.kill();
}

async function burst(client: Client, uri: string, keyboard: () => Promise<number>, pace: number): Promise<void> {
  const settled: number[] = [];
  const cpu: number[] = [];
  for (let run = 0; run < 3; run++) {
    const before = cpuSeconds(client);
    let version = 0;
    let last = 0;
    for (let key = 0; key < 20; key++) {
      version = await keyboard();
      last = performance.now();
      // The pace of a person's fingers is what is measured here.
      await new Promise((resolve) => setTimeout(resolve, pace));
    }
    await client.diagnostics(uri, (params) => params.version === version);
    settled.push(performance.now() - last);
    cpu.push((cpuSeconds(client) - before) / 20);
  }
  const name = `B4 20 keys, one every ${pace} ms, 10,000 lines`;
  metric(`${name}, last key to settled`, Math.min(...settled), 'ms', '≤ 300 ms');
  metric(`${name}, processor time a key`, Math.min(...cpu) * 1000, 'ms');
}

async function completions(client: Client, uri: string, text: string, lines: number, keyboard: () => Promise<number>) {
  const position = middle(text, 'dense(units: 10, activation: ', 'dense(units: 10, activation: '.length);
  const latencies: number[] = [];
  for (let run = 0; run < 60; run++) {
    const started = performance.now();
    await client.request('textDocument/completion', { textDocument: { uri }, position });
    latencies.push(performance.now() - started);
  }
  const name = `B5 completion, ${lines.toLocaleString('en-GB')} lines`;
  metric(`${name}, median`, quantile(latencies, 0.5), 'ms', lines === 1000 ? '≤ 20 ms' : '≤ 100 ms');
  metric(`${name}, slowest of a hundred`, quantile(latencies, 0.99), 'ms');
  let wrong = 0;
  for (let run = 0; run < 20; run++) {
    await keyboard();
    const source = new CancellationTokenSource();
    const answer = client.connection
      .sendRequest('textDocument/completion', { textDocument: { uri }, position }, source.token)
      .then(
        (list) => typeof list === 'object' && list !== null && 'code' in list,
        () => false,
      );
    source.cancel();
    if (await answer) wrong++;
  }
  metric(`${name}, cancelled and answered as success`, wrong, 'answers', '0');
}

/** The slope of the memory over 500 edits, after a first 100 in which the engine warms up. */
async function leak(client: Client, uri: string, keyboard: () => Promise<number>): Promise<void> {
  const type = async (keys: number) => {
    for (let key = 0; key < keys; key++) {
      const version = await keyboard();
      await client.diagnostics(uri, (params) => params.version === version);
    }
  };
  await type(500);
  const before = memory(client);
  await type(500);
  metric('B9 memory, growth an edit', (memory(client) - before) / 500, 'MiB', 'none');
}

// ---------------------------------------------------------------- B7, B8

async function workspace(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mlpipe-bench-'));
  try {
    const body = manyLines(100).replace(/^.*\n.*\n/, '');
    await writeFile(
      join(folder, 'hub.mlpipe'),
      'environment hub {\n  engine   wasm "4.22.0"\n  results  repeatable\n}\n',
    );
    for (let file = 0; file < FILES; file++) {
      await writeFile(
        join(folder, `leaf${file}.mlpipe`),
        `import hub from "./hub.mlpipe"\npipeline leaf${file}\n${body}`,
      );
    }
    const leaf = join(folder, 'leaf500.mlpipe');
    const uri = pathToFileURL(leaf).toString();
    const text = readFileSync(leaf, 'utf8');
    const opened: number[] = [];
    const quiet: number[] = [];
    for (let run = 0; run < 3; run++) {
      const client = await Client.start({ server, flags: SERVER_FLAGS, folders: [pathToFileURL(folder).toString()] });
      const started = performance.now();
      await client.open(uri, text);
      await client.diagnostics(uri);
      opened.push(performance.now() - started);
      await client.until('the whole workspace', () => client.published.size >= FILES + 1, 60_000);
      quiet.push(performance.now() - started);
      if (run === 2) {
        metric('B9 memory, 1,000 files', memory(client), 'MiB', '≤ 400 MiB');
        const keyboard = keyboardAt(client, uri, positionOf(text, 'epochs     12', 'epochs     12'.length));
        const latencies: number[] = [];
        for (let key = 0; key < 60; key++) {
          const before = performance.now();
          const version = await keyboard();
          await client.diagnostics(uri, (params) => params.version === version);
          latencies.push(performance.now() - before);
        }
        const name = 'B8 key in a leaf of 1,000 files';
        metric(`${name}, median`, quantile(latencies, 0.5), 'ms', '≤ 20 ms');
        metric(`${name}, slowest of a hundred`, quantile(latencies, 0.99), 'ms', '≤ 100 ms');
      }
      client.kill();
    }
    metric('B7 one of 1,000 files opened, to its diagnostics', Math.min(...opened), 'ms', '≤ 1,000 ms');
    metric('B7 one of 1,000 files opened, to all files checked', Math.min(...quiet), 'ms', '≤ 3,500 ms');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// ---------------------------------------------------------------- helpers

/** Types a digit and takes it back, in turn. */
function keyboardAt(client: Client, uri: string, position: Position): () => Promise<number> {
  let typed = false;
  const range: Range = { start: position, end: { line: position.line, character: position.character + 1 } };
  return () => {
    typed = !typed;
    return client.change(uri, typed ? { range: { start: position, end: position }, text: '0' } : { range, text: '' });
  };
}

function middle(text: string, needle: string, after: number): Position {
  const offset = text.indexOf(needle, Math.floor(text.length / 2));
  const before = text.slice(0, (offset === -1 ? text.lastIndexOf(needle) : offset) + after).split('\n');
  return { line: before.length - 1, character: before.at(-1)?.length ?? 0 };
}

function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

function memory(client: Client): number {
  const found = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${client.process.pid}/status`, 'utf8'));
  return Number(found?.[1]) / 1024;
}

/** User and system time of the server so far; the kernel counts in hundredths of a second. */
function cpuSeconds(client: Client): number {
  const fields = readFileSync(`/proc/${client.process.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

if (import.meta.main) await bench();

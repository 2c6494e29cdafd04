#!/usr/bin/env node
/**
 * A stand-in for the VS Code executable, for machines without a desktop or a download: it takes the arguments that
 * @vscode/test-electron passes, starts the VS Code web server, opens it in a headless Chromium, and ends with the exit
 * code that the test runner inside the extension host reports.
 *
 * It reads from the environment:
 *   MLPIPE_EDITOR_SERVER      folder of the prepared web server (vscode-server.ts)
 *   MLPIPE_EDITOR_CHROMIUM    the browser's executable
 *   MLPIPE_EDITOR_SETTINGS    JSON of settings for this machine
 *   MLPIPE_EDITOR_RESTRICTED  1: the opened folder is not trusted
 *   MLPIPE_EDITOR_OUTPUT      folder for screenshots
 *   MLPIPE_EDITOR_TIMEOUT     seconds until it gives up
 * and passes on every MLPIPE_… variable to the extension host. The tests reach the page (screenshots, clicks) through
 * MLPIPE_EDITOR_DRIVER, the address of a small HTTP server on the loopback interface.
 */
'use strict';
const { spawn } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { chromium } = require('playwright-core');
const { actionsOn } = require('./page-actions.cjs');

const argv = process.argv.slice(2);
const values = (name) =>
  argv.filter((word) => word.startsWith(`--${name}=`)).map((word) => word.slice(name.length + 3));
const folder = argv.find((word) => !word.startsWith('-'));
const environment = process.env;
const restricted = environment.MLPIPE_EDITOR_RESTRICTED === '1';
const limitSeconds = Number(environment.MLPIPE_EDITOR_TIMEOUT ?? 600);

/** What the workbench and its extension host say. Shown where no test could speak for itself, and when asked for. */
const log = [];

let server;
let browser;
let scratch;
let ended = false;
let printed = false;

main().then(end, (error) => {
  console.error(error);
  end(1);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => end(130));

async function main() {
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'mlpipe-editor-'));
  const port = await freePort();
  await startServer(port);

  browser = await chromium.launch({
    executablePath: environment.MLPIPE_EDITOR_CHROMIUM,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, deviceScaleFactor: 1.5 });
  const page = await context.newPage();
  const driver = await startDriver(page);

  let report;
  const reported = new Promise((resolve) => {
    report = resolve;
  });
  await page.exposeFunction('codeAutomationLog', (type, words) => {
    const line = `${type}: ${words.map(String).join(' ')}`;
    log.push(line);
    if (environment.MLPIPE_EDITOR_VERBOSE) console.error(line);
  });
  await page.exposeFunction('codeAutomationExit', (code) => report(code));
  page.on('crash', () => report(1));

  const remote = (file) => `vscode-remote://remote${file}`;
  const hostEnvironment = Object.fromEntries(
    Object.entries({ ...environment, MLPIPE_EDITOR_DRIVER: driver }).filter(([name]) => name.startsWith('MLPIPE_')),
  );
  const payload = [
    ...values('extensionDevelopmentPath').map((file) => ['extensionDevelopmentPath', remote(file)]),
    ...values('extensionTestsPath').map((file) => ['extensionTestsPath', remote(file)]),
    ['skipWelcome', 'true'],
    ['skipReleaseNotes', 'true'],
    ['extensionEnvironment', JSON.stringify(hostEnvironment)],
  ];
  const query = new URLSearchParams({ payload: JSON.stringify(payload) });
  if (folder) query.set('folder', folder);
  await page.goto(`http://127.0.0.1:${port}/?${query}`);

  return Promise.race([
    reported,
    new Promise((resolve) => {
      setTimeout(() => {
        console.error(`The editor's tests did not end within ${limitSeconds} s.`);
        resolve(124);
      }, limitSeconds * 1000).unref();
    }),
  ]);
}

async function startServer(port) {
  const data = path.join(scratch, 'server');
  // The person's settings, where the server keeps them, and the machine's: some are read from the one alone.
  const user = path.join(scratch, 'user');
  for (const place of [path.join(data, 'data', 'Machine'), path.join(user, 'User')]) {
    fs.mkdirSync(place, { recursive: true });
    fs.writeFileSync(path.join(place, 'settings.json'), environment.MLPIPE_EDITOR_SETTINGS ?? '{}');
  }
  const words = [
    'out/server-main.js',
    // Without it a built workbench ignores the payload's extension under development and its tests.
    '--enable-smoke-test-driver',
    '--without-connection-token',
    '--accept-server-license-terms',
    '--host=127.0.0.1',
    `--port=${port}`,
    `--server-data-dir=${data}`,
    `--user-data-dir=${user}`,
    `--extensions-dir=${values('extensions-dir')[0] ?? path.join(scratch, 'extensions')}`,
    '--telemetry-level=off',
  ];
  if (!restricted) words.push('--disable-workspace-trust');
  const own = Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(VSCODE_|ELECTRON_|NODE_OPTIONS$)/.test(name)),
  );
  // A process group of its own, so that the extension host and the language server end with it.
  server = spawn(process.execPath, words, {
    cwd: environment.MLPIPE_EDITOR_SERVER,
    env: own,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const talk = [];
  for (const stream of [server.stdout, server.stderr]) {
    stream.on('data', (chunk) => {
      talk.push(String(chunk));
      if (environment.MLPIPE_EDITOR_VERBOSE) process.stderr.write(chunk);
    });
  }
  let exited = false;
  server.on('exit', () => {
    exited = true;
  });
  const deadline = Date.now() + 60_000;
  for (;;) {
    if (exited) throw new Error(`The VS Code server ended at once:\n${talk.join('')}`);
    if (Date.now() > deadline) throw new Error(`The VS Code server does not answer:\n${talk.join('')}`);
    const answer = await fetch(`http://127.0.0.1:${port}/version`).catch(() => undefined);
    if (answer?.ok) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function startDriver(page) {
  const actions = actionsOn(page, {
    output: environment.MLPIPE_EDITOR_OUTPUT ?? scratch,
    print(text) {
      printed = true;
      console.log(text);
    },
  });
  const secret = randomBytes(16).toString('hex');
  const listener = http.createServer(async (request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    };
    if (request.method !== 'POST' || !request.url.startsWith(`/${secret}/`)) return answer(404, { error: 'no' });
    const action = actions[request.url.slice(secret.length + 2)];
    if (!action) return answer(404, { error: `unknown action ${request.url}` });
    try {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      answer(200, { result: await action(JSON.parse(Buffer.concat(chunks).toString('utf8'))) });
    } catch (error) {
      answer(500, { error: error.message });
    }
  });
  await new Promise((resolve) => listener.listen(0, '127.0.0.1', resolve));
  listener.unref();
  return `http://127.0.0.1:${listener.address().port}/${secret}`;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = net.createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

async function end(code) {
  if (ended) return;
  ended = true;
  if (code !== 0 && !printed) console.error(log.join('\n'));
  await browser?.close().catch(() => {});
  if (server?.pid && server.exitCode === null) {
    const gone = new Promise((resolve) => server.once('exit', resolve));
    try {
      process.kill(-server.pid, 'SIGTERM');
    } catch {
      // It ended by itself between the question and the signal.
    }
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, 5000))]);
    try {
      process.kill(-server.pid, 'SIGKILL');
    } catch {
      // The group is empty, as it should be.
    }
  }
  if (scratch) fs.rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
  process.exit(code);
}

/**
 * What VS Code calls inside its extension host: runs every test file of the folder this bundle lies in and reports
 * the counts through a file, because the page's console is no protocol.
 */
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'node:util';
import { print, printed, screenshot } from './support/page.ts';

interface Failure {
  title: string;
  error: string;
}

export async function run(): Promise<void> {
  const { default: Mocha } = await import('mocha');
  // The page's console would mix the report with the workbench's own talk.
  Mocha.reporters.Base.consoleLog = (...words: unknown[]) => print(format(...words));
  const grep = process.env.MLPIPE_EDITOR_GREP;
  const mocha = new Mocha({ ui: 'bdd', timeout: 180_000, reporter: 'spec', color: false, ...(grep ? { grep } : {}) });
  const files = readdirSync(__dirname).filter((name) => name.endsWith('.test.cjs'));
  for (const name of files.sort()) mocha.addFile(join(__dirname, name));

  const failures: Failure[] = [];
  let passed = 0;
  mocha.rootHooks({
    async afterEach(this: Mocha.Context) {
      const { currentTest } = this;
      if (currentTest?.isFailed()) await screenshot(`failed ${currentTest.title}`);
    },
  });
  await new Promise<void>((resolve, reject) => {
    const runner = mocha.run(() => resolve());
    runner.on('pass', () => {
      passed += 1;
    });
    runner.on('fail', (test, error: Error) => {
      failures.push({ title: test.fullTitle(), error: error.stack ?? error.message });
    });
    runner.on('error', reject);
  });
  await printed();
  const result = process.env.MLPIPE_EDITOR_RESULT;
  if (result) writeFileSync(result, JSON.stringify({ passed, failures }));
  if (passed + failures.length === 0) throw new Error('No test was found: a suite without tests proves nothing.');
  if (failures.length > 0) throw new Error(`${failures.length} of ${passed + failures.length} tests failed.`);
}

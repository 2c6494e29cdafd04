/** What the command line answers to whoever calls it wrongly: what failed, where, what to do next, and exit code 2. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { join } from 'node:path';
import { type Answer, ensureBuilt, mlpipe, remove, temporaryFolder } from './support.ts';

describe('wrong usage', () => {
  let folder = '';
  const call = (...words: string[]): Promise<Answer> => mlpipe(words, { folder });

  before(async function () {
    this.timeout(120_000);
    ensureBuilt();
    folder = temporaryFolder();
    for (const name of ['one', 'two']) {
      assert.equal((await call('init', name)).code, 0);
    }
    const text = fs.readFileSync(join(folder, 'one/moons.mlpipe'), 'utf8');
    fs.writeFileSync(join(folder, 'two/second.mlpipe'), text);
    fs.mkdirSync(join(folder, 'broken'));
    fs.writeFileSync(join(folder, 'broken/name.mlpipe'), text.replace('model      net', 'model      nett'));
    fs.writeFileSync(join(folder, 'broken/line.mlpipe'), `${text}\ntrain {{ again\n`);
    fs.writeFileSync(join(folder, 'broken/empty.mlpipe'), '');
    fs.writeFileSync(join(folder, 'broken/garbage.mlpipe'), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 0xff, 0xfe, 0]));
    fs.mkdirSync(join(folder, 'nothing'));
  });
  after(() => remove(folder));

  const wrong: [what: string, words: string[], says: RegExp][] = [
    ['an unknown command', ['frobnicate'], /unknown command 'frobnicate'/],
    ['an unknown option', ['-C', 'one', 'run', '--fast'], /unknown option '--fast'/],
    ['an argument that is missing', ['-C', 'one', 'show'], /missing required argument/],
    ['a file that is not there', ['-C', 'one', 'run', 'nothere.mlpipe'], /There is no file nothere\.mlpipe/],
    ['a folder that is not there', ['-C', 'nowhere', 'status'], /There is no folder nowhere/],
    ['a file in place of a folder', ['-C', 'one/moons.mlpipe', 'status'], /There is no folder/],
    ['init where a file is', ['init', 'one/moons.mlpipe'], /is a file/],
    ['a folder without a pipeline', ['-C', 'nothing', 'run'], /There is no pipeline/],
    ['a folder with several', ['-C', 'two', 'run'], /2 pipelines .*moons\.mlpipe, second\.mlpipe/],
    ['an unknown step', ['-C', 'one', 'run', 'leran'], /no step leran/],
    ['a parameter without a value', ['-C', 'one', 'run', '-S', 'rate'], /-S takes name=value/],
    ['an unknown parameter', ['-C', 'one', 'status', '-S', 'rate=1'], /no parameter `rate`/],
    ['no job at all', ['-C', 'one', 'run', '-j', '0'], /no whole number above 0/],
    ['an unknown reference', ['-C', 'one', 'show', 'zebra'], /Nothing here is called zebra/],
    ['data that is not there', ['-C', 'one', 'pin', 'zebra'], /no data and no environment zebra/],
    ['an unknown diagnostic', ['explain', 'MLP1'], /no diagnostic MLP1/],
    ['an unknown shape', ['schema', 'zebra'], /no shape zebra/],
    ['help on nothing', ['help', 'zebra'], /no command zebra/],
    ['an unknown format', ['-C', 'one', 'check', '--format', 'xml'], /xml/],
    ['bytes that are no text, to run', ['-C', 'broken', 'run', 'garbage.mlpipe'], /not a text/],
    ['bytes that are no text, to check', ['-C', 'broken', 'check', 'garbage.mlpipe'], /not a text/],
    ['bytes that are no text, to format', ['-C', 'broken', 'fmt', 'garbage.mlpipe'], /not a text/],
    ['a pipeline without steps', ['-C', 'broken', 'run', 'empty.mlpipe'], /no steps/],
    ['Slurm', ['-C', 'one', 'run', '--executor', 'slurm'], /not there yet/],
    ['a command of a later version', ['serve', 'learn', '--port', '80'], /`mlpipe serve` is not there yet/],
    ['an engine without a version', ['engine', 'install', 'tensorflow'], /needs an engine and its version/],
    ['an engine that comes along', ['engine', 'install', 'wasm@4.22.0'], /nothing to install/],
    ['an engine too old', ['engine', 'install', 'tensorflow@2.9.1'], /before 2\.12\.0 its packages/],
    ['nothing to do with an engine', ['engine', 'start', 'tensorflow@2.19.1'], /does not know start/],
  ];
  for (const [what, words, says] of wrong) {
    it(`${what}: exit 2, and what to do next`, async () => {
      const answer = await call(...words);
      assert.equal(answer.code, 2, answer.stderr);
      assert.equal(answer.stdout, '');
      assert.match(answer.stderr, says);
      assert.match(answer.stderr, /^ {2}Next: \S/m);
      assert.doesNotMatch(answer.stderr, /^\s+at /m, 'a stack trace');
      assert.doesNotMatch(answer.stderr, /fault of mlpipe/);
    });
  }

  it('leaves nothing behind where a folder was mistyped, and garbage as it was', () => {
    assert.equal(fs.existsSync(join(folder, 'nowhere')), false);
    assert.equal(fs.readFileSync(join(folder, 'broken/garbage.mlpipe')).length, 9);
  });

  it('answers no to a file with errors, at its line and column', async () => {
    for (const name of ['name.mlpipe', 'line.mlpipe']) {
      const run = await call('-C', 'broken', 'run', name);
      assert.equal(run.code, 1, run.stderr);
      assert.match(run.stderr, new RegExp(`^mlpipe: ${name}:\\d+:\\d+: `));
      assert.match(run.stderr, /Next: .*mlpipe check/);
    }
  });

  it('draws the graph of a file with errors all the same', async () => {
    const answer = await call('-C', 'broken', 'dag', 'name.mlpipe');
    assert.equal(answer.code, 0, answer.stderr);
    assert.match(answer.stdout, /^points \(data\)$/m);
  });

  it('prints a stack trace with --debug alone', async () => {
    assert.match((await call('--debug', '-C', 'one', 'show', 'zebra')).stderr, /^\s+at /m);
  });

  it('prints its exit codes', async () => {
    const { stdout } = await call('help', 'exit-codes');
    for (const code of [0, 1, 2, 130]) assert.match(stdout, new RegExp(`^ {2}${code} `, 'm'));
  });

  it('checks in text, JSON, SARIF and for GitHub, with the same findings', async () => {
    const [text, json, sarif, github] = await Promise.all(
      ['text', 'json', 'sarif', 'github'].map((format) =>
        call('-C', 'broken', 'check', 'name.mlpipe', '--format', format),
      ),
    );
    for (const each of [text, json, sarif, github]) assert.equal(each?.code, 1, each?.stderr);
    const found = JSON.parse(json?.stdout ?? '') as { line: number; column: number; code: string }[];
    assert.ok(found.length > 0);
    assert.equal(text?.stdout.trimEnd().split('\n').length, found.length);
    assert.match(text?.stdout ?? '', /^name\.mlpipe:\d+:\d+: error MLP\d{4}: /m);
    const { version, runs } = JSON.parse(sarif?.stdout ?? '');
    assert.equal(version, '2.1.0');
    assert.deepEqual(
      runs[0].results.map((result: { ruleId: string }) => result.ruleId),
      found.map(({ code }) => code),
    );
    for (const { id, help } of runs[0].tool.driver.rules) assert.match(help.markdown, new RegExp(`^# ${id}: `));
    assert.equal(github?.stdout.trimEnd().split('\n').length, found.length);
    assert.match(github?.stdout ?? '', /^::error file=name\.mlpipe,line=\d+,col=\d+,/m);
  });

  it('formats once, and then has nothing to do', async () => {
    const path = join(folder, 'two/second.mlpipe');
    fs.writeFileSync(path, fs.readFileSync(path, 'utf8').replace('  from  ', '    from '));
    assert.equal((await call('-C', 'two', 'fmt', '--check', 'second.mlpipe')).code, 1);
    assert.equal((await call('-C', 'two', 'fmt', 'second.mlpipe')).code, 0);
    assert.equal((await call('-C', 'two', 'fmt', '--check', 'second.mlpipe')).code, 0);
  });

  it('is refused by a Node that is too old, before anything loads', async () => {
    const hook = join(folder, 'old-node.cjs');
    fs.writeFileSync(hook, "Object.defineProperty(process, 'version', { value: 'v20.19.0' });\n");
    const answer = await mlpipe(['--version'], { folder, node: ['-r', hook] });
    assert.equal(answer.code, 2);
    assert.equal(answer.stdout, '');
    assert.match(answer.stderr, /needs Node 22\.14 or newer; this is Node 20\.19\.0/);
    assert.match(answer.stderr, /Next: /);
  });
});

import assert from 'node:assert/strict';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { contextAt } from '../../runtime/context.ts';
import { MlpipeError } from '../../runtime/errors.ts';
import { runPipeline } from '../../runtime/execute/run.ts';
import { whyNoTrace } from '../../runtime/execute/trace.ts';
import { openProject } from '../../runtime/project.ts';
import { TemporaryProject } from './project.ts';

describe('a program step and what surrounds it', () => {
  let project: TemporaryProject;
  const start = (step: string, files: Record<string, string> = {}) => {
    project = new TemporaryProject({ 'p.mlpipe': `pipeline p\n\n${step}\n`, ...files });
    return project;
  };
  afterEach(() => project.remove());

  it('hands on awkward file names and values whole', async () => {
    const name = "it's a $HOME; `date` ü 漢.txt";
    start(
      `param word = "two words; exit 3 'and' $PATH"

data odd {
  from "${name.replace('$', '\\$')}"
  schema {
    a float
  }
}

step copy {
  run "cat \${odd} > \${out}; printf '%s\\n' \${word} >> \${out}"
  writes out "out put's.txt"
}`.replaceAll('\\$', '$'),
      { [name]: 'a\n1\n' },
    );
    await project.pin();
    const { answer } = await project.run();
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    assert.equal(project.read("out put's.txt"), "a\n1\ntwo words; exit 3 'and' $PATH\n");
  });

  it('gets its inputs read-only', async function () {
    if (process.platform === 'win32') this.skip();
    start(
      'step look {\n  run "find a.txt -perm /222 > ${out}; echo spoilt >> a.txt || true"\n  reads "a.txt"\n  writes out "o.txt"\n}',
      {
        'a.txt': 'whole\n',
      },
    );
    await project.run();
    assert.equal(project.read('o.txt'), '', 'an input can be written to');
    assert.equal(project.read('a.txt'), 'whole\n');
    // Not even with rights to write what is read-only does a program reach what the store holds.
    const digest = project.record('look').inputs[0]?.digest ?? '';
    assert.equal(await project.object(digest), 'whole\n');
  });

  for (const [what, facts] of [
    ['reads', 'reads "OUTSIDE/in.txt"\n  writes out "o.txt"'],
    ['writes', 'writes out "OUTSIDE/o.txt"'],
  ] as const) {
    it(`is refused where it ${what} outside the project`, async () => {
      const outside = fs.mkdtempSync(join(tmpdir(), 'mlpipe-outside-'));
      fs.writeFileSync(join(outside, 'in.txt'), 'outside\n');
      try {
        start(`step leave {\n  run "touch \${out}"\n  ${facts.replace('OUTSIDE', `../${basename(outside)}`)}\n}`);
        await assert.rejects(project.run(), (error) => {
          assert(error instanceof MlpipeError);
          assert.equal(error.code, 'pipeline-errors');
          assert.match(error.message, /outside/);
          return true;
        });
        assert.deepEqual(fs.readdirSync(outside), ['in.txt']);
      } finally {
        fs.rmSync(outside, { recursive: true });
      }
    });
  }

  for (const what of ['reads', 'writes'] as const) {
    it(`is refused where a plan that no rule has seen ${what} outside the project`, async () => {
      const outside = fs.mkdtempSync(join(tmpdir(), 'mlpipe-outside-'));
      fs.writeFileSync(join(outside, 'in.txt'), 'outside\n');
      start('step leave {\n  run "touch ${out}"\n  writes out "o.txt"\n}');
      const opened = openProject(project.folder);
      try {
        const context = await contextAt(opened, project.path('p.mlpipe'));
        const step = context.plan.steps.leave;
        assert(step?.kind === 'program');
        if (what === 'reads') step.reads = [`../${basename(outside)}/in.txt`];
        else step.writes = [{ name: 'out', path: `../${basename(outside)}/o.txt` }];
        const [answer] = (await runPipeline(context)).steps;
        assert.equal(answer?.status, 'failed');
        assert.match(answer?.error?.message ?? '', /^leave names \.\.\/.*, which lies outside the project\.$/);
        assert.deepEqual(fs.readdirSync(outside), ['in.txt']);
      } finally {
        opened.close();
        fs.rmSync(outside, { recursive: true });
      }
    });
  }

  it('leaves no secret in any file, also when it fails', async () => {
    start(
      'step call {\n  run "env true ${secret.MLPIPE_TEST_KEY}; echo ${secret.MLPIPE_TEST_KEY}; exit 1"\n  writes out "out.txt"\n}',
    );
    process.env.MLPIPE_TEST_KEY = 'hunter2-secret';
    try {
      const { step, events } = await project.run();
      assert.equal(step('call').status, 'failed');
      assert.doesNotMatch(JSON.stringify(events), /hunter2-secret/);
    } finally {
      delete process.env.MLPIPE_TEST_KEY;
    }
    const leaks = fs
      .readdirSync(project.folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => fs.statSync(project.path(path)).isFile())
      .filter((path) => fs.readFileSync(project.path(path)).includes('hunter2-secret'));
    assert.deepEqual(leaks, []);
  });

  it('does not become another step when a secret changes', async () => {
    start('step call {\n  run "test -n ${secret.MLPIPE_TEST_KEY} && echo > ${out}"\n  writes out "out.txt"\n}');
    try {
      process.env.MLPIPE_TEST_KEY = 'one-secret';
      assert.equal((await project.run()).step('call').status, 'ran');
      process.env.MLPIPE_TEST_KEY = 'another-secret';
      assert.equal((await project.run()).step('call').status, 'cached');
    } finally {
      delete process.env.MLPIPE_TEST_KEY;
    }
  });

  it('writes folders, which appear at their path with all that is in them', async () => {
    start(
      'step make {\n  run "mkdir -p ${out}/deep && echo 1 > ${out}/deep/a.txt && echo 2 > ${out}/b.txt"\n  writes out "made/here"\n}',
    );
    const { answer } = await project.run();
    assert.equal(answer.ok, true, JSON.stringify(answer.steps));
    assert.equal(project.read('made/here/deep/a.txt'), '1\n');
    fs.rmSync(project.path('made'), { recursive: true });
    assert.equal((await project.run()).step('make').status, 'cached');
    assert.equal(project.read('made/here/b.txt'), '2\n');
  });

  it('reads each file that a pattern matches, and runs again when one more does', async () => {
    start('step all {\n  run "cat parts/* > ${out}"\n  reads "parts/*.txt"\n  writes out "all.txt"\n}', {
      'parts/a.txt': 'a\n',
      'parts/b.txt': 'b\n',
      'parts/c.log': 'c\n',
    });
    await project.run();
    assert.equal(project.read('all.txt'), 'a\nb\n');
    project.write('parts/d.log', 'd\n');
    assert.equal((await project.status()).upToDate, true);
    project.write('parts/d.txt', 'd\n');
    assert.match((await project.status()).steps[0]?.reason ?? '', /^parts\/\*\.txt changed: 4 bytes → 6 bytes;/);
    await project.run();
    assert.equal(project.read('all.txt'), 'a\nb\nd\n');
  });

  it('names the module that it lacks, and what to add', async function () {
    if (whyNoTrace() !== null) this.skip();
    start(`step use {\n  run "'${process.execPath}' main.mjs"\n  reads "main.mjs"\n  writes out "o"\n}`, {
      'main.mjs': "import './helper.mjs';\n",
      'helper.mjs': '',
    });
    const { step } = await project.run();
    assert.match(step('use').error?.message ?? '', /exit code 1\. It names helper\.mjs, which `reads` does not\./);
    assert.equal(step('use').error?.todo, 'Add `reads "helper.mjs"`.');
  });

  it('that fails keeps its last words in its record, whole lines of both streams', async () => {
    start('step say {\n  run "echo out; echo err >&2; printf unfinished; exit 7"\n  writes out "o"\n}');
    const { events } = await project.run();
    const { log, exit } = project.record('say');
    assert(log);
    assert.deepEqual((await project.object(log)).split('\n').sort().join('|').includes('unfinished'), true);
    assert.equal(exit.code, 7);
    const streams = events.flatMap((event) => (event.type === 'step-output' ? [[event.stream, event.text]] : []));
    assert(streams.some(([stream, text]) => stream === 'stderr' && text === 'err\n'));
  });
});

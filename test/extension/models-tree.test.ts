import assert from 'node:assert/strict';
import { treeOf } from '../../extension/features/models/nodes.ts';
import type { TreeNode } from '../../extension/features/models/tree-node.ts';
import { RunningRuns } from '../../extension/infrastructure/running.ts';
import type { ModelNode, VerifyAnswer } from '../../runtime/rpc/protocol.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');

const model = (rest: Partial<ModelNode> = {}): ModelNode => ({
  record: `sha256:${'a'.repeat(64)}`,
  step: 'recognise',
  pipeline: 'digits',
  file: 'digits.mlpipe',
  run: 'quiet-heron-41',
  ended: '2026-03-01T11:55:00Z',
  status: 'ok',
  current: true,
  who: 'Ada',
  metrics: { accuracy: 0.97234, loss: 0.08912 },
  gates: [{ metric: 'accuracy', operator: '>=', threshold: 0.95, value: 0.97234, ok: true }],
  modelDigest: `sha256:${'b'.repeat(64)}`,
  data: [{ name: 'digits', digest: `sha256:${'c'.repeat(64)}`, path: 'data/digits.csv', rows: 1797, bytes: 300_000 }],
  commit: { id: '4c1d9a70aa', branch: 'main', dirty: false },
  environment: { name: 'cpu', fingerprint: `sha256:${'d'.repeat(64)}`, engine: 'wasm 4.22.0' },
  parameters: { rate: 0.003 },
  reproduction: null,
  ...rest,
});

const draw = (nodes: readonly TreeNode[], depth = 0): string[] =>
  nodes.flatMap((node) => [
    `${'  '.repeat(depth)}${node.label} | ${node.description}`,
    ...draw(node.children, depth + 1),
  ]);

const tree = (models: ModelNode[]): TreeNode[] => treeOf([{ folder: '/projects', models }], [], NOW);

describe('the tree of models', () => {
  it('shows below each model what stands behind it, each number with its unit', () => {
    const lines = draw(tree([model()]));
    assert.deepEqual(lines.slice(0, -1), [
      'digits | digits.mlpipe',
      '  recognise | accuracy 97.2 % · 5 min ago · current',
      '    accuracy 97.2 % | gate >= 95.0 %',
      '    metrics | loss 0.08912',
      '      loss | 0.08912',
      '    digits | 1,797 rows · data/digits.csv',
      '    4c1d9a70 | main',
      '    cpu | wasm 4.22.0 · sha256:dddddddd…',
      '    parameters | rate 0.003',
      '      rate | 0.003',
    ]);
    assert.match(lines.at(-1) ?? '', /Ada \| /);
  });

  it('says whether a model came out again, how near and when', () => {
    const reproduction = {
      verdict: 'bitwise',
      level: 'R3',
      because: 'the model has the same bits',
      when: '2026-03-01T11:30:00Z',
      record: 'sha256:9',
    };
    const [, name, , badge] = draw(tree([model({ reproduction })]));
    assert.equal(name, '  recognise | accuracy 97.2 % · 5 min ago · current · reproduced: bitwise');
    assert.equal(badge, '    reproduced: bitwise | 30 min ago · the model has the same bits');
    const failed = draw(tree([model({ reproduction: { ...reproduction, verdict: 'failed', because: 'loss is 2' } })]));
    assert.equal(failed[3], '    not reproduced: failed | 30 min ago · loss is 2');
  });

  it('says whether everything behind a model was found whole, and shows a model that is not as an error', () => {
    const answer: VerifyAnswer = {
      ok: true,
      objects: 1200,
      records: 2,
      signatures: 1,
      locks: 1,
      logs: [],
      standing: { untrusted: 1 },
      problems: [],
      notes: ['Times are what the clocks said.'],
    };
    const when = '2026-03-01T11:59:30Z';
    const verified = (found: VerifyAnswer) => {
      const shown = model();
      const folders = [{ folder: '/projects', models: [shown] }];
      return treeOf(folders, [], NOW, new Map([[shown.record, { when, answer: found }]]))[0]?.children[0];
    };
    const whole = verified(answer);
    assert.equal(whole?.description, 'accuracy 97.2 % · 5 min ago · current · verified: whole');
    assert.equal(draw([whole])[2], '  verified: whole | just now · 1,200 objects, 2 records, 1 signature');
    assert.match(whole.children[1]?.tooltip ?? '', /does not prove:\n\n- Times are what the clocks said/);
    const problem = { code: 'object-corrupt', message: 'The weights differ.', todo: 'Train again.', repairable: false };
    const broken = verified({ ...answer, ok: false, problems: [problem] });
    assert.deepEqual([broken?.icon, broken?.color], ['error', 'testing.iconFailed']);
    assert.match(broken?.description ?? '', /^not whole · /);
    assert.equal(draw(broken ? [broken] : [])[2], '  not whole: 1 problem | just now · The weights differ.');
    const [, verification] = broken?.children ?? [];
    assert.match(verification?.tooltip ?? '', /- The weights differ\. Train again\./);
    assert.deepEqual(draw(verification?.children ?? []), ['The weights differ. | object-corrupt']);
    assert.deepEqual([broken?.repairable, verification?.repairable], [undefined, undefined]);
    const mendable = verified({ ...answer, ok: false, problems: [problem, { ...problem, repairable: true }] });
    const below = mendable?.children.find(({ kind }) => kind === 'verification');
    assert.deepEqual([mendable?.repairable, below?.repairable, below?.record], [true, true, mendable?.record]);
  });

  it('lists the newest first, and pipelines by name', () => {
    const nodes = tree([
      model({ record: 'sha256:1', ended: '2026-02-01T00:00:00Z', run: 'old', current: false }),
      model({ record: 'sha256:2', ended: '2026-02-28T00:00:00Z', run: 'new' }),
      model({ record: 'sha256:3', pipeline: 'animals', file: 'animals.mlpipe' }),
    ]);
    assert.deepEqual(
      nodes.map((node) => [node.label, node.children.map(({ record }) => record)]),
      [
        ['animals', ['sha256:3']],
        ['digits', ['sha256:2', 'sha256:1']],
      ],
    );
  });

  it('tells a failed gate, a failed and a cancelled training apart from a good model', () => {
    const icon = (rest: Partial<ModelNode>): string | undefined => tree([model(rest)])[0]?.children[0]?.icon;
    assert.equal(icon({}), 'pass-filled');
    assert.equal(icon({ current: false }), 'pass');
    assert.equal(
      icon({ gates: [{ metric: 'accuracy', operator: '>=', threshold: 0.99, value: 0.97, ok: false }] }),
      'warning',
    );
    assert.equal(icon({ status: 'failed' }), 'error');
    assert.equal(icon({ status: 'cancelled' }), 'circle-slash');
  });

  it('opens the data beside the pipeline that names it', () => {
    const node = tree([model({ file: 'team/digits.mlpipe' })])[0]?.children[0]?.children.find(
      ({ kind }) => kind === 'data',
    );
    assert.equal(node?.file, '/projects/team/data/digits.csv');
  });

  it('says where code was not in git, or was changed', () => {
    assert.ok(draw(tree([model({ commit: null })])).includes('    no commit | the folder is not in git'));
    const dirty = model({ commit: { id: '4c1d9a70aa', dirty: true } });
    assert.ok(draw(tree([dirty])).includes('    4c1d9a70 | with uncommitted changes'));
  });

  it('shows text from files as text, not as markdown', () => {
    const node = tree([model({ step: '[click](command:evil)' })])[0]?.children[0];
    assert.doesNotMatch(node?.tooltip ?? '', /(?<!\\)\[click\]/);
  });

  it('shows what is running above the models, with its progress', () => {
    const runs = new RunningRuns();
    const running = runs.begin('/projects/digits.mlpipe', ['recognise']);
    runs.receive('/projects/digits.mlpipe', {
      type: 'run-started',
      run: 'r',
      pipeline: 'digits',
      steps: ['recognise'],
    });
    runs.receive('/projects/digits.mlpipe', { type: 'step-started', step: 'recognise', reason: 'never ran' });
    runs.receive('/projects/digits.mlpipe', {
      type: 'step-progress',
      step: 'recognise',
      phase: 'training',
      share: 0.25,
      epoch: 3,
      epochs: 12,
      metrics: { loss: 0.5 },
    });
    const [pipeline] = treeOf([{ folder: '/projects', models: [model()] }], runs.all, NOW);
    assert.deepEqual(
      pipeline?.children.map(({ kind, description }) => [kind, description]),
      [
        ['running', '25 % · epoch 3/12 · loss 0.5'],
        ['model', 'accuracy 97.2 % · 5 min ago · current'],
      ],
    );
    runs.end(running);
    assert.deepEqual(runs.all, []);
  });

  it('keeps the identity of its lines from one refresh to the next, each once', () => {
    const ids = (): string[] => {
      const walk = (nodes: readonly TreeNode[]): string[] =>
        nodes.flatMap(({ id, children }) => [id, ...walk(children)]);
      return walk(tree([model(), model({ record: 'sha256:2' })]));
    };
    assert.deepEqual(ids(), ids());
    assert.equal(new Set(ids()).size, ids().length);
  });
});

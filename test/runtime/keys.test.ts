import assert from 'node:assert/strict';
import type { Digest, Plan, TrainStep } from '../../grammar/plan/plan.ts';
import { type InputState, inputsOf, keyOf, keyParts, needsOf } from '../../runtime/execute/keys.ts';
import { changesSince } from '../../runtime/execute/reasons.ts';
import type { RunRecord } from '../../runtime/ledger/record.ts';

const ENVIRONMENT = { architecture: 'x64', engine: 'wasm 4.22.0', platform: 'linux' };

function plan(): Plan {
  return {
    format: 'mlpipe-plan/1',
    pipeline: 'digits',
    parameters: { rate: 0.001 },
    environments: {},
    data: {
      digits: {
        name: 'digits',
        source: { kind: 'path', path: 'data/digits.csv' },
        schema: [{ name: 'label', type: { kind: 'class', count: 10 } }],
        split: { parts: [{ name: 'train', share: 0.8 }], seed: 7 },
      },
    },
    models: {
      cnn: {
        name: 'cnn',
        data: 'digits',
        inputs: ['pixels'],
        inputShape: [8, 8],
        layers: [
          { layer: 'flatten', arguments: {}, outputShape: [64], parameterCount: 0 },
          { layer: 'dense', arguments: { units: 10 }, outputShape: [10], parameterCount: 650 },
        ],
        outputShape: [10],
        parameterCount: 650,
      },
    },
    steps: {
      recognise: {
        kind: 'train',
        name: 'recognise',
        block: 'recognise',
        needs: [],
        resources: {},
        model: 'cnn',
        on: { data: 'digits', part: 'train' },
        target: 'label',
        loss: { name: 'crossEntropy', arguments: {} },
        optimizer: { name: 'adam', arguments: { rate: 0.001 } },
        epochs: 5,
        batch: 32,
        seed: 7,
      },
      report: {
        kind: 'program',
        name: 'report',
        block: 'report',
        needs: ['recognise'],
        resources: {},
        command: [
          { kind: 'text', text: 'python report.py ' },
          { kind: 'input', step: 'recognise', output: 'model' },
        ],
        reads: ['report.py'],
        inputs: [{ step: 'recognise', output: 'model' }],
        data: [],
        writes: [{ name: 'page', path: 'report.html' }],
        variables: {},
      },
      publish: {
        kind: 'program',
        name: 'publish',
        block: 'publish',
        needs: [],
        resources: {},
        command: [{ kind: 'text', text: 'cp report.html out' }],
        reads: ['report.html'],
        inputs: [],
        data: [],
        writes: [{ name: 'out', path: 'out' }],
        variables: {},
      },
    },
    deployments: {},
    monitors: {},
    locations: {},
  };
}

function train(of: Plan): TrainStep {
  const step = of.steps.recognise;
  assert(step?.kind === 'train');
  return step;
}

const digest = (letter: string): Digest => `sha256:${letter.repeat(64)}`;
const DATA: InputState = {
  role: 'on',
  name: 'data:digits',
  digest: digest('a'),
  bytes: 1000,
  rows: 1797,
  path: 'data/digits.csv',
};

function partsOf(of: Plan, inputs: InputState[] = [DATA], environment: Record<string, unknown> = ENVIRONMENT) {
  return keyParts(of, train(of), inputs, environment);
}

/** The reason why a changed pipeline runs again. */
function reasonFor(
  change: (plan: Plan) => void,
  inputs: InputState[] = [DATA],
  environment: Record<string, unknown> = ENVIRONMENT,
) {
  const before = plan();
  const after = plan();
  change(after);
  const record = { run: 'quiet-heron-41', parameters: before.parameters, inputs: [DATA] };
  return changesSince(
    // Only these fields of a record are looked at; the rest says nothing of what has changed.
    { record: record as unknown as RunRecord, parts: partsOf(before) },
    { parts: partsOf(after, inputs, environment), inputs, parameters: after.parameters },
  );
}

describe('the key of a step', () => {
  const same: Record<string, (plan: Plan) => void> = {
    'the block moves': (of) => {
      of.locations.recognise = { file: 'digits.mlpipe', line: 99, column: 1 };
    },
    'the step is renamed': (of) => {
      train(of).name = 'learn';
    },
    'the model is renamed': (of) => {
      const { cnn } = of.models;
      assert(cnn);
      of.models = { net: { ...cnn, name: 'net' } };
      train(of).model = 'net';
    },
    'the data file moves': (of) => {
      const { digits } = of.data;
      assert(digits);
      digits.source = { kind: 'path', path: 'elsewhere/digits.csv' };
    },
    'its environment is renamed': (of) => {
      train(of).environment = 'other';
    },
    'its resources change': (of) => {
      train(of).resources = { cpus: 2, memory: 1e9, time: 60 };
    },
    'it checkpoints more often': (of) => {
      train(of).checkpoint = { epochs: 1 };
    },
    'another step changes': (of) => {
      delete of.steps.report;
      of.parameters.unrelated = 3;
    },
  };
  for (const [what, change] of Object.entries(same)) {
    it(`stays when ${what}`, () => {
      const changed = plan();
      change(changed);
      assert.equal(keyOf(partsOf(changed)), keyOf(partsOf(plan())));
    });
  }

  const reasons: [string, (plan: Plan) => void, RegExp | string][] = [
    [
      'a parameter',
      (of) => {
        of.parameters.rate = 0.01;
        train(of).optimizer.arguments.rate = 0.01;
      },
      'rate 0.001 → 0.01; data, model and environment the same',
    ],
    [
      'an epoch count',
      (of) => {
        train(of).epochs = 6;
      },
      'epochs 5 → 6; data, model and environment the same',
    ],
    [
      'the optimizer',
      (of) => {
        train(of).optimizer = { name: 'sgd', arguments: { rate: 0.001, momentum: 0 } };
      },
      'optimizer adam → sgd; data, model and environment the same',
    ],
    [
      'a layer',
      (of) => {
        const layer = of.models.cnn?.layers[1];
        assert(layer);
        layer.arguments.units = 12;
      },
      'model changed: layer 2, dense units 10 → 12; data, environment and parameters the same',
    ],
    [
      'the number of layers',
      (of) => {
        of.models.cnn?.layers.splice(1, 0, {
          layer: 'dropout',
          arguments: { rate: 0.5 },
          outputShape: [64],
          parameterCount: 0,
        });
      },
      'model changed: 2 → 3 layers (dropout is new at 2); data, environment and parameters the same',
    ],
    [
      'the split',
      (of) => {
        const split = of.data.digits?.split;
        assert(split);
        split.seed = 8;
      },
      'split changed; model, environment and parameters the same',
    ],
    [
      'the schema',
      (of) => {
        of.data.digits?.schema.push({ name: 'weight', type: { kind: 'float', shape: [] } });
      },
      'schema changed: column weight is new; model, environment and parameters the same',
    ],
    [
      'the part of the data',
      (of) => {
        train(of).on = { data: 'digits' };
      },
      'on train → everything; model, environment and parameters the same',
    ],
  ];
  for (const [what, change, reason] of reasons) {
    it(`changes with ${what}, and says so`, () => {
      const changed = plan();
      change(changed);
      assert.notEqual(keyOf(partsOf(changed)), keyOf(partsOf(plan())));
      assert.equal(reasonFor(change), reason);
    });
  }

  it('changes with the data, and says by how many rows', () => {
    assert.equal(
      reasonFor(() => undefined, [{ ...DATA, digest: digest('b'), rows: 1798 }]),
      'data/digits.csv changed: 1,797 → 1,798 rows; model, environment and parameters the same',
    );
  });

  it('says by how many bytes where rows are not known, and that content differs where the size does not', () => {
    const { rows: _, ...unread } = DATA;
    assert.match(
      reasonFor(() => undefined, [{ ...unread, digest: digest('b'), bytes: 1_240_000 }]),
      /^data\/digits\.csv changed: 1,000 bytes → 1\.2 MiB;/,
    );
    assert.match(
      reasonFor(() => undefined, [{ ...unread, digest: digest('b') }]),
      /^data\/digits\.csv changed: other content, still 1,000 bytes;/,
    );
  });

  it('changes with the environment, and says in what', () => {
    assert.equal(
      reasonFor(() => undefined, [DATA], { ...ENVIRONMENT, engine: 'wasm 4.23.0' }),
      'environment changed: engine wasm 4.22.0 → wasm 4.23.0; data, model and parameters the same',
    );
  });

  it('calls a renamed data set with the same content the same', () => {
    assert.equal(
      reasonFor(() => undefined, [{ ...DATA, name: 'data:numbers' }]),
      '',
    );
  });

  it('stays when only the threshold of a reproduction changes, and changes with the gate', () => {
    const gated = (threshold: number, absolute: number) => {
      const of = plan();
      of.steps.test = {
        kind: 'evaluate',
        name: 'test',
        block: 'test',
        needs: ['recognise'],
        resources: {},
        train: 'recognise',
        on: { data: 'digits' },
        gates: [{ metric: 'accuracy', operator: '>=', threshold, within: { absolute } }],
      };
      return keyOf(keyParts(of, of.steps.test, [], ENVIRONMENT));
    };
    assert.equal(gated(0.95, 0.02), gated(0.95, 0.01));
    assert.notEqual(gated(0.95, 0.02), gated(0.96, 0.02));
  });
});

describe('what a step needs', () => {
  it('includes who writes a file that it reads, said or not', () => {
    const of = plan();
    const { publish } = of.steps;
    assert(publish);
    assert.deepEqual(needsOf(of, publish), ['report']);
    assert.deepEqual(inputsOf(of, publish), [
      { role: 'file:report.html', kind: 'output', step: 'report', output: 'page' },
    ]);
  });
});

/**
 * What `mlpipe run` costs above the training itself: a training of about a minute through the command line, beside the
 * same loop written bare in a program of its own (`training-bare.ts`) on the same back end with the same kernels.
 *
 * Both are whole processes by the clock on the wall, from their start to their end. The bare one reads the same table
 * and trains; mlpipe besides that checks the pipeline and the table, hashes, keeps a history, stores model and record.
 * What all their processes spent on the processor is told too, as others on the machine change it less.
 * Needs `npm run build`.
 */
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { numbers } from '../runtime/models.ts';
import { ownPeer } from './peers.ts';
import { inTurns, median, metric } from './report.ts';
import { BATCH, CLASSES, EPOCHS, ROWS } from './training-bare.ts';

/** Each is a pair of trainings of a minute. */
const ROUNDS = 2;
const START = fileURLToPath(new URL('../../runtime/cli/start.cjs', import.meta.url));
const BARE = fileURLToPath(new URL('training-bare.ts', import.meta.url));

const PIPELINE = `pipeline minute

environment cpu {
  engine   wasm "4.22.0"
  results  repeatable
}

data rows {
  from  "rows.csv"
  schema {
    pixels  float[8, 8]
    label   class(${CLASSES})
  }
}

model cnn {
  input rows.pixels
  conv2d(filters: 16, kernel: 3, padding: same, activation: relu)
  conv2d(filters: 32, kernel: 3, padding: same, activation: relu)
  maxPool2d(size: 2)
  flatten
  dense(units: 64, activation: relu)
  dense(units: ${CLASSES}, activation: softmax)
}

train learn {
  model      cnn
  on         rows
  in         cpu
  loss       crossEntropy
  optimizer  adam(rate: 1e-3)
  epochs     ${EPOCHS}
  batch      ${BATCH}
  seed       1
}
`;

async function bench(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'mlpipe-bench-'));
  try {
    ownPeer('@tensorflow/tfjs-core');
    const project = join(folder, 'project');
    await mkdir(project);
    await writeFile(join(project, 'rows.csv'), table());
    await writeFile(join(project, 'minute.mlpipe'), PIPELINE);
    run(START, 'pin', '-q', '-C', project);
    const losses = { own: Number.NaN, bare: Number.NaN };
    const processor: { own: number[]; bare: number[] } = { own: [], bare: [] };
    const times = await inTurns(ROUNDS, {
      bare: () => {
        const { stdout, seconds } = run(BARE, join(project, 'rows.csv'));
        losses.bare = Number(stdout);
        processor.bare.push(seconds);
      },
      own: () => {
        processor.own.push(run(START, 'run', '-f', '--no-cache', '-q', '-C', project).seconds);
        losses.own = lastLoss(project);
      },
    });
    // Two programs that train the same way from other first weights end at about the same loss.
    if (!(Math.abs(losses.own - losses.bare) < 0.3 * losses.bare + 0.1))
      throw new Error(`They did not train alike: ${losses.own} and ${losses.bare}.`);
    const steps = EPOCHS * Math.ceil(ROWS / BATCH);
    metric(`${steps} steps, the loop written bare`, times.bare / 1000, 's');
    metric(`${steps} steps, mlpipe run`, times.own / 1000, 's');
    metric('mlpipe run above the bare loop', (times.own / times.bare - 1) * 100, '%', '≤ 5 %');
    const spent = { own: median(processor.own), bare: median(processor.bare) };
    metric('mlpipe run above the bare loop, processor time', (spent.own / spent.bare - 1) * 100, '%');
    const nothing = await inTurns(3, { unchanged: () => run(START, 'run', '-q', '-C', project) });
    metric('mlpipe run when nothing has changed', nothing.unchanged, 'ms');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Answers what it printed, and the seconds of processor time of it and all its processes. */
function run(script: string, ...parameters: string[]): { stdout: string; seconds: number } {
  const measured = ['-c', '"$0" "$@"; status=$?; times >&2; exit $status', process.execPath, script, ...parameters];
  const { status, stdout, stderr } = spawnSync('sh', measured, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${script} ended with ${status}: ${stderr}${stdout}`);
  // The last line has what its children took: user, then system.
  const spent = [...(stderr.trim().split('\n').at(-1) ?? '').matchAll(/(\d+)m([\d.]+)s/g)];
  return { stdout, seconds: spent.reduce((sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest), 0) };
}

/** Of the last epoch, as the record has it. */
function lastLoss(project: string): number {
  const { record } = JSON.parse(run(START, 'show', 'learn', '--json', '-C', project).stdout) as {
    record: { metrics: Record<string, number> };
  };
  return record.metrics.trainLoss ?? Number.NaN;
}

/** Numbers without sense: what is learnt does not matter here, only that both learn it. */
function table(): string {
  const inputs = numbers(ROWS * 64, 3);
  const header = [...Array.from({ length: 64 }, (_, at) => `pixels${at + 1}`), 'label'].join(',');
  const lines = Array.from({ length: ROWS }, (_, row) =>
    [...inputs.subarray(row * 64, row * 64 + 64), row % CLASSES].join(','),
  );
  return `${[header, ...lines].join('\n')}\n`;
}

if (import.meta.main) await bench();

import type { Position, TextEdit } from 'vscode-languageserver-protocol';

/** The pipeline that the tests of the server write in: every kind of block, no mistake in it. */
export const SAMPLE = `// Recognise handwritten digits.
pipeline digits

param rate = 1e-3 in 1e-5 .. 1e-1

environment cpu {
  engine    wasm "4.22.0"
  node      "24.21.0" lock "package-lock.json"
  hardware  x64, 4 GiB
  results   repeatable
}

// Pixels and what they show.
data digits {
  from  "data/digits.csv"
  schema {
    pixels  float[8, 8] in 0 .. 16
    label   class(10)
  }
  split {
    train       80%
    validation  10%
    test        10%
    stratify    label
    seed        7
  }
}

model cnn {
  input digits.pixels
  conv2d(filters: 16, kernel: 3, activation: relu)
  maxPool2d(size: 2)
  flatten
  dense(units: 10, activation: softmax)
}

train recognise {
  model      cnn
  on         digits.train
  validate   digits.validation
  in         cpu
  loss       crossEntropy
  optimizer  adam(rate: rate)
  epochs     12
  batch      32
  seed       7
  stop       when loss stalls 3 epochs
}

evaluate recognise on digits.test {
  accuracy  >= 95%   within 2 pt
  loss      <= 0.20  within 10%
}

step report {
  run        "node report.mjs \${recognise.model} \${page}"
  reads      "report.mjs"
  in         cpu
  writes     page "report.html"
  resources  2 cpus, 4 GiB, 10 min
}

deploy staging of recognise {
  when      evaluated
  canary    10%
  rollback  when unlike stable
}

monitor staging {
  expect    classes like digits.validation
  tolerate  2 pt or 50% of share
  page      pagerduty(key: secret.PAGERDUTY_KEY)
  budget    1 false page per 30 days
}
`;

/** A text with edits made, as an editor makes them. */
export function applied(text: string, edits: readonly TextEdit[]): string {
  const starts = [0];
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  const offset = ({ line, character }: Position) => Math.min((starts[line] ?? text.length) + character, text.length);
  return edits
    .map(({ range, newText }) => ({ start: offset(range.start), end: offset(range.end), newText }))
    .sort((one, other) => other.start - one.start)
    .reduce((result, { start, end, newText }) => result.slice(0, start) + newText + result.slice(end), text);
}

/** Where a text stands in another, counted as an editor does; the cursor \`after\` characters into it. */
export function positionOf(text: string, needle: string, after = 0): { line: number; character: number } {
  const offset = text.indexOf(needle);
  if (offset === -1) throw new Error(`The sample has no ${JSON.stringify(needle)}.`);
  const before = text.slice(0, offset + after).split('\n');
  return { line: before.length - 1, character: before.at(-1)?.length ?? 0 };
}

/** Pipelines of about so many lines, each block renamed, in one file. */
export function manyLines(lines: number): string {
  const [head = '', ...blocks] = SAMPLE.split('\n\n');
  const body = blocks.join('\n\n').replace('pipeline digits\n\n', '');
  const parts = [`${head}`];
  for (let copy = 0; parts.join('\n').split('\n').length < lines; copy++) {
    const names = ['rate', 'cpu', 'digits', 'cnn', 'recognise', 'report', 'staging'];
    let text = body.replaceAll('adam(rate: rate)', 'adam(rate: RATE)').replace('param rate', 'param RATE');
    for (const name of names.slice(1)) {
      text = text.replace(
        new RegExp(`(?<![\\w"/])${name}(?![\\w".])|(?<![\\w"/])${name}(?=\\.\\w+)(?!\\.(csv|mjs|html))`, 'g'),
        `${name}${copy}`,
      );
    }
    parts.push(text.replaceAll('RATE', `rate${copy}`));
  }
  return `${parts.join('\n')}\n`;
}

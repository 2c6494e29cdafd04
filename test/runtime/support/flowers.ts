/** A pipeline that trains in a moment: prepare a table, train on it, evaluate, report. */
import { digestOf } from '../../../grammar/plan/canonical.ts';

/** Three classes that two measures tell apart. The same rows each time. */
export function flowers(rows = 60): string {
  const lines = ['width,height,kind'];
  for (let row = 0; row < rows; row += 1) {
    const kind = row % 3;
    lines.push(`${kind * 3 + ((row * 7) % 10) / 10},${(2 - kind) * 3 + ((row * 3) % 10) / 10},${kind}`);
  }
  return `${lines.join('\n')}\n`;
}

/** The pipeline, with that data pinned. */
export const pipelineOf = (data: string): string => `pipeline flowers

param rate = 0.05

environment cpu {
  engine wasm "4.22.0"
}

data flowers {
  from "flowers.csv"
  pin ${digestOf(data)}
  schema {
    width  float
    height float
    kind   class(3)
  }
  split {
    train 80%
    test  20%
    stratify kind
    seed 1
  }
}

model small {
  input flowers.width, flowers.height
  dense(units: 8, activation: relu)
  dense(units: 3, activation: softmax)
}

train learn {
  model small
  on flowers.train
  target flowers.kind
  in cpu
  loss crossEntropy
  optimizer adam(rate: rate)
  epochs 2
  batch 16
  seed 3
}

evaluate learn on flowers.test as proof {
  accuracy >= 1%
}

step report {
  run "wc -c < \${learn.history} > \${page}; cat note.txt >> \${page}"
  reads "note.txt"
  writes page "report.txt"
}
`;

export const FILES: Record<string, string> = {
  'flowers.mlpipe': pipelineOf(flowers()),
  'flowers.csv': flowers(),
  'note.txt': 'a note\n',
};

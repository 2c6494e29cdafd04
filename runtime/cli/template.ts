/** What `mlpipe init` writes: a pipeline that runs, with the small table that it learns from. */
import fs from 'node:fs';
import { dirname, join } from 'node:path';

/** Two half moons, one hundred points each: drawn from a fixed sequence, so that every project begins alike. */
function moons(): string {
  let state = 20_261_123;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const rows = ['x,y,moon'];
  for (let index = 0; index < 200; index += 1) {
    const upper = index % 2 === 0;
    const angle = Math.PI * random();
    const x = (upper ? Math.cos(angle) : 1 - Math.cos(angle)) + 0.1 * (random() - 0.5);
    const y = (upper ? Math.sin(angle) : 0.5 - Math.sin(angle)) + 0.1 * (random() - 0.5);
    rows.push(`${x.toFixed(4)},${y.toFixed(4)},${upper ? 'upper' : 'lower'}`);
  }
  return `${rows.join('\n')}\n`;
}

const PIPELINE = `// Tell two half moons apart. Change it, and see what \`mlpipe status\` says.
pipeline moons

environment cpu {
  engine   wasm "4.22.0"
  results  repeatable
}

data points {
  from  "data/moons.csv"
  schema {
    x     float in -2 .. 3
    y     float in -2 .. 2
    moon  class(lower, upper)
  }
  split {
    train       70%
    validation  15%
    test        15%
    stratify    moon
    seed        1
  }
}

model net {
  input points.x, points.y
  dense(units: 16, activation: relu)
  dense(units: 16, activation: relu)
  dense(units: 2, activation: softmax)
}

train learn {
  model      net
  on         points.train
  validate   points.validation
  target     points.moon
  in         cpu
  loss       crossEntropy
  optimizer  adam(rate: 0.02)
  epochs     60
  batch      16
  seed       1
}

evaluate learn on points.test {
  accuracy  >= 90%  within 5 pt
}
`;

/** Writes what is not there yet; what is there stays as it is. */
export function writeTemplate(folder: string): { written: string[]; kept: string[] } {
  const written: string[] = [];
  const kept: string[] = [];
  const hasPipeline =
    fs.existsSync(folder) && fs.readdirSync(folder).some((name) => name.endsWith('.mlpipe') && name !== '.mlpipe');
  const files: Record<string, string> = hasPipeline ? {} : { 'moons.mlpipe': PIPELINE, 'data/moons.csv': moons() };
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name);
    fs.mkdirSync(dirname(path), { recursive: true });
    try {
      fs.writeFileSync(path, content, { flag: 'wx' });
      written.push(name);
    } catch {
      kept.push(name);
    }
  }
  return { written, kept };
}

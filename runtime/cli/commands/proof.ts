/** `reproduce`, `decay`: does it hold? */
import fs from 'node:fs';
import { join } from 'node:path';
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import type { Source } from '../../reproduce/recorded.ts';
import type { Reproduction } from '../../reproduce/reproduce.ts';
import { metricValue, toleranceValue } from '../../words.ts';
import { cancelOnSignal } from '../cancel.ts';
import { answer, type Output, paint, table, talk, telling } from '../output.ts';
import { Progress } from '../progress.ts';

interface Context {
  folder: string;
  output: Output;
}

export async function reproduce(
  { folder, output }: Context,
  options: { in: Source; data: Source; clean?: boolean; keep?: boolean },
  reference = '',
): Promise<ExitCode> {
  const signal = cancelOnSignal(output);
  const progress = new Progress({ terminal: process.stderr.isTTY === true && !output.quiet, verbose: output.verbose });
  return api.withProject(
    folder,
    async (project) => {
      const reproduction = () =>
        api.reproduce(project, reference, {
          environment: options.in,
          // Today's environment with today's data is today's pipeline; with the recorded data it is the environment alone.
          data: options.data,
          keep: options.keep ?? false,
          signal,
          onEvent: (event) => {
            if (!output.quiet) progress.show(event);
          },
        });
      const found = await (options.clean ? withEmptyCache(project.store.folder, reproduction) : reproduction());
      answer(output, found, () => report(found));
      if (found.place !== undefined) talk(output, `The clean place is ${found.place}`);
      return found.verdict === 'failed' || found.verdict === 'inconclusive' ? EXIT.no : EXIT.yes;
    },
    telling(output),
  );
}

/** For this process and what it starts: whatever an environment pins is provided anew. */
async function withEmptyCache<T>(storeFolder: string, work: () => Promise<T>): Promise<T> {
  const places = join(storeFolder, 'reproductions');
  fs.mkdirSync(places, { recursive: true });
  const cache = fs.mkdtempSync(join(places, 'cache-'));
  process.env.MLPIPE_CACHE = cache;
  try {
    return await work();
  } finally {
    fs.rmSync(cache, { recursive: true, force: true, maxRetries: 3 });
  }
}

export async function decay(
  { folder, output }: Context,
  options: { offline?: boolean; sample?: string; timeout?: string },
  name?: string,
): Promise<ExitCode> {
  const network = options.offline
    ? {}
    : {
        network: {
          sample: counted('--sample', options.sample ?? '0'),
          ...(options.timeout === undefined ? {} : { time: 1000 * counted('--timeout', options.timeout) }),
        },
      };
  return api.withProject(folder, async (project) => {
    const found = await api.decay(project, api.pipelineFile(folder, name), network);
    answer(output, found, () => decayWords(found.items));
    const unknown = found.items.filter(({ state }) => state === 'unknown').length;
    if (unknown > 0) talk(output, `${unknown} could not be asked about, which says nothing of them.`);
    return found.ok ? EXIT.yes : EXIT.no;
  });
}

const SIGNS = { resolves: ['green', '✓'], decayed: ['red', '✗'], unknown: ['yellow', '?'] } as const;

/** Packages that are as they should be are many, and one line. */
function decayWords(items: Awaited<ReturnType<typeof api.decay>>['items']): string {
  const isWhole = ({ kind, state }: (typeof items)[number]) => kind === 'package' && state === 'resolves';
  const whole = items.filter(isWhole);
  const where = [...new Set(whole.map((item) => item.where))].join(', ');
  const shown = items.filter((item) => !isWhole(item));
  const rows = shown.map(({ kind, name, pin, state, where: place }) => {
    const [colour, sign] = SIGNS[state];
    return [paint(colour, sign, process.stdout), kind, name, (pin ?? 'not pinned').slice(0, 19), place];
  });
  if (whole.length > 0)
    rows.push([paint('green', '✓', process.stdout), 'package', `${whole.length} packages`, 'by their digests', where]);
  return table(rows);
}

function counted(option: string, text: string): number {
  if (/^\d{1,9}$/.test(text)) return Number(text);
  throw new MlpipeError(`${option} takes a number, not ${text}.`, {
    code: 'usage',
    todo: `Write it like \`${option} 20\`.`,
    exit: EXIT.usage,
  });
}

function report(found: Reproduction): string {
  const good = found.verdict !== 'failed' && found.verdict !== 'inconclusive';
  const metrics = found.metrics.map(({ name, recorded, reproduced, tolerance, ok }) => [
    ok ? paint('green', '✓', process.stdout) : paint('red', '✗', process.stdout),
    name,
    `${metricValue(name, recorded)} → ${Number.isFinite(reproduced) ? metricValue(name, reproduced) : 'not measured'}`,
    tolerance === null ? '' : `± ${toleranceValue(name, tolerance)}`,
  ]);
  const differences = found.differences.map(({ kind, name, recorded, now }) => [
    kind,
    name,
    recorded ?? '–',
    '→',
    now ?? '–',
  ]);
  return [
    `${paint(good ? 'green' : 'red', found.verdict, process.stdout)} (${found.level}): ${found.because}`,
    table(metrics),
    ...(differences.length === 0 ? [] : ['What differs:', table(differences)]),
    `record ${found.record}`,
  ]
    .map((part) => part.trimEnd())
    .join('\n');
}

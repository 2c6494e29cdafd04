/** `reprotest`: what does a result depend on? */
import * as api from '../../api.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { cancelOnSignal } from '../cancel.ts';
import { answer, type Output, paint, table, talk, telling } from '../output.ts';
import { Progress } from '../progress.ts';

export async function reprotest(
  { folder, output }: { folder: string; output: Output },
  options: { vary?: string },
  reference?: string,
): Promise<ExitCode> {
  const vary = options.vary === undefined ? undefined : namesIn(options.vary);
  const signal = cancelOnSignal(output);
  const progress = new Progress({ terminal: process.stderr.isTTY === true && !output.quiet, verbose: output.verbose });
  return api.withProject(
    folder,
    async (project) => {
      const found = await api.reprotest(project, reference ?? (await api.onlyTraining(project, folder)), {
        ...(vary === undefined ? {} : { vary }),
        signal,
        onEvent: (event) => {
          if (!output.quiet) progress.show(event);
        },
        onTrial: (name, number, of) => talk(output, paint('bold', `${name} (${number} of at most ${of})`)),
      });
      answer(output, found, () => report(found));
      return found.ok ? EXIT.yes : EXIT.no;
    },
    telling(output),
  );
}

/** `threads,locale` @throws MlpipeError `usage` */
function namesIn(list: string): api.VariationName[] {
  return list.split(',').map((word) => {
    const name = api.VARIATIONS.find((each) => each === word.trim());
    if (name !== undefined) return name;
    throw new MlpipeError(`${word.trim() || 'Nothing'} is none of what can be varied.`, {
      code: 'usage',
      todo: `Name some of ${api.VARIATIONS.join(', ')}, with commas between them.`,
      exit: EXIT.usage,
    });
  });
}

function report(found: api.Reprotest): string {
  const rows = found.variations.map((each) => {
    if (!each.varied) return [paint('gray', '–', process.stdout), each.variation, '', `not varied: ${each.why}`];
    const mark = !each.depends
      ? paint('green', '✓', process.stdout)
      : each.declared
        ? paint('yellow', '≠', process.stdout)
        : paint('red', '✗', process.stdout);
    const change = each.from === each.to ? 'once more, nothing varied' : `${each.from} → ${each.to}`;
    return [mark, each.variation, change, outcome(each)];
  });
  const notes = found.variations.flatMap(({ variation, note }) => (note === null ? [] : [`${variation}: ${note}`]));
  return [
    `${paint(found.ok ? 'green' : 'red', found.step, process.stdout)}: ${found.because}`,
    ...(found.asRecorded ? [] : ['The control run did not come to the recorded bits: `mlpipe reproduce` says why.']),
    table(rows).trimEnd(),
    ...notes,
  ].join('\n');
}

function outcome({ verdict, level, because, differs }: api.TriedVariation): string {
  if (verdict === 'bitwise' && differs.length === 0) return because ?? '';
  const others =
    differs.length === 0 || because?.includes(differs[0] ?? '') ? '' : `; other bits: ${differs.join(', ')}`;
  return `${verdict === 'bitwise' ? '' : `${verdict} (${level}): `}${because}${others}`;
}

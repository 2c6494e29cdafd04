/** Where a source does not fit its schema: collected a few of each kind, and said so that a person finds the row. */
import type { SchemaProblem } from '../../grammar/rules/facts.ts';
import { MlpipeError } from '../errors.ts';

/** As many of one kind in one column are kept; the rest would say nothing new. */
const KEPT_OF_EACH = 3;
/** As many are kept in all. */
const KEPT = 40;

export class ProblemList {
  readonly problems: SchemaProblem[] = [];
  /** All that were seen, kept or not. */
  count = 0;
  readonly #kept = new Map<string, number>();

  add(problem: SchemaProblem): void {
    this.count++;
    const key = `${problem.kind} ${problem.column ?? ''}`;
    const kept = this.#kept.get(key) ?? 0;
    if (kept >= KEPT_OF_EACH || this.problems.length >= KEPT) return;
    this.#kept.set(key, kept + 1);
    this.problems.push(problem);
  }
}

/** One problem in one line: `data/digits.csv, line 17: column label holds "x", not a class index from 0 to 9.` */
export function describeProblem(problem: SchemaProblem, path: string): string {
  const file = problem.file === undefined ? path : `${path}/${problem.file}`;
  const place = problem.line === undefined ? file : `${file}, line ${problem.line}`;
  const column = problem.column === undefined ? '' : `column ${problem.column} `;
  switch (problem.kind) {
    case 'missing-column':
      return `${place}: there is no ${column.trim()}; expected ${problem.expected}.`;
    case 'missing-value':
      return `${place}: ${column}has no value; expected ${problem.expected}.`;
    case 'wrong-width':
      return `${place}: ${column}has ${problem.found ?? 'another number of'} fields; expected ${problem.expected}.`;
    default:
      return `${place}: ${column}holds ${JSON.stringify(problem.found ?? '')}; expected ${problem.expected}.`;
  }
}

/** The error for a source that cannot be used because it does not fit its schema. */
export function schemaError(data: string, path: string, list: ProblemList): MlpipeError {
  const lines = list.problems.slice(0, 5).map((problem) => `  ${describeProblem(problem, path)}`);
  const more = list.count - lines.length;
  if (more > 0) lines.push(`  and ${more.toLocaleString('en')} more`);
  return new MlpipeError(`Data "${data}" does not fit its schema:\n${lines.join('\n')}`, {
    code: 'data-schema',
    todo: missingOnly(list)
      ? 'Fill or drop rows with missing values in a step before this one, or mend the file.'
      : 'Mend the file, or say in the schema what the column really holds.',
  });
}

function missingOnly(list: ProblemList): boolean {
  return list.problems.every((problem) => problem.kind === 'missing-value');
}

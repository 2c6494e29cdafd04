/** Rules 2xxx: data. */
import * as ast from '../generated/ast.ts';
import { digestOfPin } from '../plan/lowering/blocks.ts';
import { isUrl } from '../plan/lowering/names.ts';
import { columnsOf, partsOf } from '../scoping/declarations.ts';
import { dataOf, targetOf } from '../scoping/targets.ts';
import { hint, nearest } from '../syntax/distance.ts';
import { classesOf, columnTypeOf } from '../typing/columns.ts';
import { evaluate } from '../typing/evaluate.ts';
import { numberText } from '../typing/values.ts';
import type { SchemaProblem, SourceFact } from './facts.ts';
import { addFact, changeTo, remove, replaceNode } from './fixes.ts';
import { listed, type Rule, type RuleContext, sourceFact } from './rule.ts';

/** Where data comes from, as it is written; nothing where it is no text, or a step's output. */
export function sourceOf(data: ast.Data): { fact: ast.FromFact; path: string } | undefined {
  const fact = data.facts.find(ast.isFromFact);
  const value = evaluate(fact?.source);
  return fact !== undefined && value?.kind === 'text' && value.value !== '' ? { fact, path: value.value } : undefined;
}

function presentSource(data: ast.Data, context: RuleContext): (SourceFact & { state: 'present' }) | undefined {
  const source = sourceOf(data);
  const fact = source && sourceFact(context, source.path);
  return fact?.state === 'present' ? fact : undefined;
}

export const dataMustBePinned: Rule<ast.Data> = (data, report, context) => {
  const source = sourceOf(data);
  if (source === undefined || isUrl(source.path) || data.facts.some(ast.isPinFact)) return;
  const here = presentSource(data, context);
  report({
    code: 'MLP2001',
    message: `\`${data.name}\` is not pinned, so nobody can tell later what it was. Pin it: \`mlpipe pin ${data.name}\`.`,
    node: source.fact,
    property: 'source',
    fixes:
      here === undefined
        ? []
        : addFact(`Pin ${data.name} to ${shortDigest(here.digest)}`, data, 'pin', here.digest, source.fact),
  });
};

function shortDigest(digest: string): string {
  return `${digest.slice(0, 'sha256:'.length + 8)}…`;
}

export const mutableSourceMustBeSnapshot: Rule<ast.Data> = (data, report) => {
  const source = sourceOf(data);
  if (source === undefined || !isUrl(source.path) || data.facts.some(ast.isPinFact)) return;
  report({
    code: 'MLP2004',
    message: `What \`${source.path}\` gives can be something else tomorrow. Take a snapshot and pin it: \`mlpipe pin ${data.name}\`.`,
    node: source.fact,
    property: 'source',
  });
};

/** Pins of data and of lock files alike. */
export const pinMustBeWhole: Rule<ast.PinFact | ast.InterpreterFact> = (fact, report, context) => {
  const { digest } = fact;
  if (digest === undefined || digestOfPin(digest) !== undefined) return;
  const path = ast.isPinFact(fact) ? sourceOf(fact.$container)?.path : fact.lock;
  const here = path === undefined ? undefined : sourceFact(context, path);
  const why = digest.startsWith('sha512:')
    ? 'SHA-512 is not known here'
    : digest.endsWith('…')
      ? 'it is cut off'
      : `it has ${digest.length - 'sha256:'.length} characters`;
  report({
    code: 'MLP2005',
    message: `This is no whole pin: ${why}. A pin is \`sha256:\` and 64 hexadecimal digits; \`mlpipe pin --update\` writes it.`,
    node: fact,
    property: 'digest',
    fixes: here?.state === 'present' ? replaceNode('Pin what is there now', fact, here.digest, 'digest') : [],
  });
};

export const outputShouldNotBePinned: Rule<ast.PinFact> = (fact, report) => {
  const from = fact.$container.facts.find(ast.isFromFact);
  if (!ast.isOutFact(targetOf(from?.source))) return;
  report({
    code: 'MLP2006',
    message:
      'What a step writes is recorded beside the pipeline when it runs; a pin would only be in its way. Remove it.',
    node: fact,
    fixes: remove('Remove the pin', fact),
  });
};

export const dataMustMatchItsPin: Rule<ast.PinFact> = (fact, report, context) => {
  const data = fact.$container;
  const pin = digestOfPin(fact.digest);
  const here = presentSource(data, context);
  if (pin === undefined || here === undefined || here.digest === pin) return;
  report({
    code: 'MLP2002',
    message: `\`${data.name}\` is not what was pinned: ${changeOf(here)}. Restore it, or pin what is there now.`,
    node: fact,
    property: 'digest',
    fixes: replaceNode(`Pin what is there now (${shortDigest(here.digest)})`, fact, here.digest, 'digest'),
  });
};

/** What is different, as far as it is known: rows, columns, size, and when. */
function changeOf(here: SourceFact & { state: 'present' }): string {
  const { pinned, table } = here;
  const differences: string[] = [];
  if (pinned?.rows !== undefined && table !== undefined && pinned.rows !== table.rows) {
    differences.push(`${count(pinned.rows)} → ${count(table.rows)} rows`);
  }
  if (pinned?.columns !== undefined && table !== undefined) {
    const gone = pinned.columns.filter((name) => !table.columns.includes(name));
    const added = table.columns.filter((name) => !pinned.columns?.includes(name));
    if (gone.length > 0) differences.push(`without ${listed(gone)}`);
    if (added.length > 0) differences.push(`with ${listed(added)}`);
  }
  if (pinned !== undefined && pinned.bytes !== here.bytes) {
    differences.push(`${count(pinned.bytes)} → ${count(here.bytes)} bytes`);
  }
  differences.push(`changed ${here.modified.slice(0, 16).replace('T', ' ')}`);
  return differences.join(', ');
}

function count(value: number): string {
  return value.toLocaleString('en-US');
}

export const dataMustBeThere: Rule<ast.Data> = (data, report, context) => {
  const source = sourceOf(data);
  const fact = source && sourceFact(context, source.path);
  if (source === undefined || fact === undefined || fact.state === 'present' || isUrl(source.path)) return;
  if (fact.state === 'missing' && (fact.inStore === true || fact.onRemote !== undefined)) return;
  const message =
    fact.state === 'unreadable'
      ? `\`${source.path}\` cannot be read: ${fact.reason}. Make it readable.`
      : `There is nothing at \`${source.path}\`. Check the path, which starts from this file’s folder, or put the data there.`;
  report({ code: 'MLP2003', message, node: source.fact, property: 'source' });
};

/** It is gone here, and still no loss. */
export const dataShouldLieWhereItIsNamed: Rule<ast.Data> = (data, report, context) => {
  const source = sourceOf(data);
  const fact = source && sourceFact(context, source.path);
  if (source === undefined || fact?.state !== 'missing') return;
  if (fact.inStore !== true && fact.onRemote === undefined) return;
  const where = fact.inStore === true ? 'in the store' : `on the remote ${fact.onRemote}`;
  report({
    code: 'MLP2016',
    message: `\`${source.path}\` is gone, but what was pinned is still ${where}. A run brings it back.`,
    node: source.fact,
    property: 'source',
  });
};

// ---------------------------------------------------------------- schema

export const columnMustBeInData: Rule<ast.Data> = (data, report, context) => {
  const table = presentSource(data, context)?.table;
  for (const problem of table?.problems ?? []) {
    if (problem.kind !== 'missing-column') continue;
    const column = columnsOf(data).find(({ name }) => name === problem.column);
    if (column === undefined) continue;
    const names = new Set(columnsOf(data).map(({ name }) => name));
    const meant = nearest(
      column.name,
      (table?.columns ?? []).filter((name) => !names.has(name)),
    );
    const has = listed((table?.columns ?? []).slice(0, 12));
    report({
      code: 'MLP2007',
      message: `The data has no column \`${column.name}\`.${hint(meant) || (has === '' ? ` It needs ${problem.expected}.` : ` It has ${has}.`)}`,
      node: column,
      property: 'name',
      fixes: meant !== undefined && /^\w+$/.test(meant) ? changeTo(column, meant, 'name') : [],
    });
  }
};

export const valuesMustFitSchema: Rule<ast.Data> = (data, report, context) => {
  const seen = new Set<string>();
  for (const problem of presentSource(data, context)?.table?.problems ?? []) {
    const column = columnsOf(data).find(({ name }) => name === problem.column);
    // The first of a column is enough: the others are most likely of the same kind.
    if (problem.kind === 'missing-column' || seen.has(problem.column ?? '')) continue;
    seen.add(problem.column ?? '');
    const schema = data.facts.find(ast.isSchemaFact);
    report({
      code: 'MLP2008',
      message: `${placeOf(problem)}${problem.found === undefined || problem.found === '' ? 'nothing' : `\`${problem.found}\``} stands; expected is ${problem.expected}. Mend the data or the schema.`,
      node: column ?? schema ?? data,
    });
  }
};

function placeOf({ file, line }: SchemaProblem): string {
  const where = [file === undefined ? '' : `\`${file}\``, line === undefined ? '' : `line ${count(line)}`];
  const text = where.filter((word) => word !== '').join(', ');
  return text === '' ? 'In the data, ' : `In ${text}, `;
}

export const classesMustDiffer: Rule<ast.ClassType> = (type, report) => {
  if (type.count !== undefined && !(Number.isSafeInteger(type.count) && type.count >= 2)) {
    report({ code: 'MLP2013', message: 'There must be at least 2 classes: `class(2)`.', node: type });
    return;
  }
  if (type.count === undefined && type.labels.length === 1) {
    report({ code: 'MLP2013', message: 'One class alone tells nothing apart. Name at least 2.', node: type });
  }
  for (const [index, label] of type.labels.entries()) {
    if (type.labels.indexOf(label) === index) continue;
    report({
      code: 'MLP2013',
      message: `\`${label}\` stands twice. Keep one.`,
      node: type,
      property: 'labels',
      index,
    });
  }
};

// ---------------------------------------------------------------- splits

export const splitMustAddUp: Rule<ast.SplitFact> = (split, report) => {
  const parts = partsOf(split.$container);
  const shares = parts.map((part) => evaluate(part.share));
  const numbers = shares.flatMap((share) => (share?.kind === 'number' && share.dimension === '%' ? [share.value] : []));
  if (parts.length === 0 || numbers.length !== parts.length) return;
  const sum = numbers.reduce((total, share) => total + share, 0);
  if (Math.abs(sum - 1) < 1e-9) return;
  const last = parts.at(-1);
  const rest = 1 - sum + (numbers.at(-1) ?? 0);
  const percent = (share: number): string => `${numberText(Number.parseFloat((share * 100).toPrecision(9)))}%`;
  report({
    code: 'MLP2009',
    message: `The parts add up to ${percent(sum)}, not to 100%.${rest > 0 ? ` Give \`${last?.name}\` ${percent(rest)}, or change another.` : ' Make them smaller.'}`,
    node: split,
    range: rangeOfParts(parts),
    fixes:
      last === undefined || rest <= 0
        ? []
        : replaceNode(`Give \`${last.name}\` ${percent(rest)}`, last, percent(rest), 'share'),
  });
};

function rangeOfParts(parts: readonly ast.Part[]) {
  const start = parts[0]?.$cstNode?.range.start ?? { line: 0, character: 0 };
  return { start, end: parts[0]?.$cstNode?.range.end ?? start };
}

export const stratifiedColumnMustHaveClasses: Rule<ast.StratifyFact> = (fact, report) => {
  const column = fact.column?.ref;
  const type = column && columnTypeOf(column);
  if (column === undefined || type === undefined || classesOf(type) !== undefined) return;
  report({
    code: 'MLP2012',
    message: `\`${column.name}\` has no classes, so there are no proportions to keep. Choose a \`class\` or \`bool\` column.`,
    node: fact,
    property: 'column',
    fixes: remove('Remove `stratify`', fact),
  });
};

/** Whether two references may have rows in common: the same part, or one the whole of which the other is a part. */
function overlap(one: ast.Expression | undefined, other: ast.Expression | undefined): boolean {
  const data = dataOf(one);
  if (data === undefined || data !== dataOf(other)) return false;
  const [part, otherPart] = [targetOf(one), targetOf(other)];
  return part === otherPart || part === data || otherPart === data;
}

export const testDataMustNotBeTrainedOn: Rule<ast.Train | ast.Evaluate> = (block, report) => {
  const train = ast.isTrain(block) ? block : block.training?.ref;
  const on = train?.facts.find(ast.isOnFact)?.data;
  const validate = ast.isTrain(block) ? block.facts.find(ast.isValidateFact) : undefined;
  if (validate !== undefined && overlap(on, validate.data)) {
    report({
      code: 'MLP2010',
      message: 'The training is validated on what it learns from, which proves nothing. Validate on another part.',
      node: validate,
      property: 'data',
    });
  }
  if (ast.isEvaluate(block) && overlap(on, block.data)) {
    report({
      code: 'MLP2010',
      message: `\`${train?.name}\` learns from this, so that it proves nothing. Evaluate on a part that it never sees.`,
      node: block,
      property: 'data',
    });
  }
};

export const testDataShouldNotBeValidatedOn: Rule<ast.Evaluate> = (block, report) => {
  const validate = block.training?.ref?.facts.find(ast.isValidateFact)?.data;
  const on = block.training?.ref?.facts.find(ast.isOnFact)?.data;
  if (!overlap(validate, block.data) || overlap(on, block.data)) return;
  report({
    code: 'MLP2011',
    message: `\`${block.training?.$refText}\` stops by what it sees here, so that this flatters it. Evaluate on another part.`,
    node: block,
    property: 'data',
  });
};

// ---------------------------------------------------------------- keeping

export const dataShouldBeKept: Rule<ast.Data> = (data, report, context) => {
  const source = sourceOf(data);
  const here = presentSource(data, context);
  if (source === undefined || here?.git === undefined || here.git === 'tracked' || here.onRemote !== undefined) return;
  const { remote } = context.facts;
  const where =
    remote === undefined
      ? 'Add it to git, or keep it where they can fetch it.'
      : `Add it to git, or train on it and send it to ${remote} with \`mlpipe push\`.`;
  const why = here.git === 'ignored' ? 'is ignored by git' : 'is not in git';
  report({
    code: 'MLP2014',
    message: `\`${source.path}\` ${why}, so that others cannot have it. ${where}`,
    node: source.fact,
    property: 'source',
  });
};

export const sourceShouldLieInProject: Rule<ast.Data> = (data, report) => {
  const source = sourceOf(data);
  if (source === undefined || isUrl(source.path) || !isOutside(source.path)) return;
  report({
    code: 'MLP2015',
    message: `\`${source.path}\` lies outside this folder, where others may have nothing. Move it into the project.`,
    node: source.fact,
    property: 'source',
  });
};

/** Whether a path is absolute or leads out of the folder of the file. */
export function isOutside(path: string): boolean {
  const written = path.replaceAll('\\', '/');
  if (written.startsWith('/') || /^[a-zA-Z]:\//.test(written) || written.startsWith('~/')) return true;
  let depth = 0;
  for (const step of written.split('/')) {
    if (step === '..') depth--;
    else if (step !== '.' && step !== '') depth++;
    if (depth < 0) return true;
  }
  return false;
}

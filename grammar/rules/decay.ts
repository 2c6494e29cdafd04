/**
 * What the last check for decay found, on the lines that it is about. It was true when somebody looked: what is known
 * to be otherwise now, and what another rule says already, is not said.
 */
import * as ast from '../generated/ast.ts';
import { evaluate } from '../typing/evaluate.ts';
import { sourceOf } from './data.ts';
import type { DecayedItem } from './facts.ts';
import { type Report, type Rule, type RuleContext, sourceFact } from './rule.ts';

/** Data, and the lock files of interpreters, by their pins; data also as recorded models have read it. */
export const pinnedShouldStillResolve: Rule<ast.Data | ast.InterpreterFact> = (node, report, context) => {
  const isData = ast.isData(node);
  const path = isData ? sourceOf(node)?.path : node.lock;
  const fact = isData ? node.facts.find(ast.isPinFact) : node;
  const name = isData ? node.name : node.lock;
  for (const item of gone(context, isData ? 'data' : 'lock')) {
    if (item.name !== name || item.pin === null) continue;
    if (item.pin === fact?.digest) {
      const here = path === undefined ? undefined : sourceFact(context, path);
      if (here?.state === 'present' && here.digest === item.pin) continue;
      // That it is nowhere stands there already, as an error.
      if (here?.state === 'missing' && (!isData || !(here.inStore || here.onRemote))) continue;
      const message = `What \`${name}\` pins can no longer be had`;
      say(report, 'MLP2017', context, item, message, { node: fact, property: 'digest' });
    } else if (isData) {
      const message = `\`${name}\` as a recorded model has read it (\`${item.pin.slice(0, 19)}…\`) can no longer be had`;
      say(report, 'MLP2017', context, item, message, { node, property: 'name' });
    }
  }
};

/** What a recorded run read by its path. */
export const readShouldStillResolve: Rule<ast.ReadFact> = (fact, report, context) => {
  for (const item of gone(context, 'file')) {
    const file = fact.files.find((each) => {
      const value = evaluate(each);
      return value?.kind === 'text' && value.value === item.name;
    });
    const message = `\`${item.name}\` as a recorded run has read it can no longer be had`;
    if (file !== undefined) say(report, 'MLP2017', context, item, message, { node: file });
  }
};

/** What recorded runs of a step, and the versions that are kept of its model, have made. */
export const resultShouldStillResolve: Rule<ast.Train | ast.Step> = (step, report, context) => {
  const kinds = ['model', 'plan', 'record'] as const;
  // Of several models one line is enough to look for all of them.
  const [item] = kinds.flatMap((kind) => gone(context, kind)).filter(({ name }) => name.split('@')[0] === step.name);
  if (item === undefined) return;
  const message = `The ${item.kind} of \`${item.name}\` can no longer be had`;
  say(report, 'MLP2017', context, item, message, { node: step, property: 'name' });
};

export const environmentShouldStillResolve: Rule<ast.EngineFact | ast.InterpreterFact> = (fact, report, context) => {
  const isEngine = ast.isEngineFact(fact);
  const name = isEngine ? fact.engine?.$refText : fact.language;
  const { engines, machine } = context.facts;
  const engine = Object.values(engines).find((each) => isEngine && each.name === name);
  const versions = isEngine
    ? (engine?.versions ?? [])
    : (machine?.interpreters ?? []).flatMap((each) => (each.language === name ? [each.version] : []));
  for (const item of gone(context, isEngine ? 'engine' : 'interpreter')) {
    if (item.name !== name || item.pin !== fact.version || versions.includes(fact.version ?? '')) continue;
    // That it can never be had here stands there already, as an error.
    if (engine?.state === 'impossible') continue;
    say(report, 'MLP3013', context, item, `\`${name}\` ${item.pin} is not here`, { node: fact, property: 'version' });
  }
};

/** What an index no longer has of what a lock file, or an engine, is made from. */
export const packagesShouldStillResolve: Rule<ast.EngineFact | ast.InterpreterFact> = (fact, report, context) => {
  const isEngine = ast.isEngineFact(fact);
  if (!isEngine && fact.lock === undefined) return;
  const language = isEngine ? fact.engine?.$refText : fact.language;
  const owner = isEngine ? `engine ${language}` : language === 'node' ? 'npm ' : 'python ';
  const packages = gone(context, 'package').filter(({ name, pin }) =>
    isEngine ? name === owner && pin === fact.version : name.startsWith(owner),
  );
  const [item] = packages;
  if (item === undefined) return;
  const more = packages.length === 1 ? '' : ` (and ${packages.length - 1} more)`;
  const message = `\`${item.name.split(' ').at(-1)}\` ${item.pin}${more} can no longer be had from an index`;
  const at = { node: fact, property: isEngine ? 'version' : 'lock' };
  say(report, 'MLP3013', context, item, message, at, 'Keep it in an index of your own, or lock another version');
};

function gone({ facts }: RuleContext, kind: DecayedItem['kind']): DecayedItem[] {
  return (facts.decay?.gone ?? []).filter((item) => item.kind === kind);
}

const TODO = {
  MLP2017: 'Bring it back from a remote (`mlpipe pull`) or a copy, or make it anew',
  MLP3013: 'Install it, or pin what is here',
} as const;

function say(
  report: Report,
  code: keyof typeof TODO,
  { facts }: RuleContext,
  { where }: DecayedItem,
  what: string,
  at: Pick<Parameters<Report>[0], 'node' | 'property'>,
  todo: string = TODO[code],
): void {
  const when = (facts.decay?.when ?? '').slice(0, 16).replace('T', ' ');
  report({ code, message: `${what}: ${where} (checked ${when} UTC). ${todo}; then check for decay again.`, ...at });
}

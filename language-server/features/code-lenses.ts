/**
 * `textDocument/codeLens`: ▶ above what can run, what it gave last, why it would run again, and why it did. The commands take
 * URIs and names, never nodes: the client carries them out.
 */
import type { LangiumDocument } from 'langium';
import type { CodeLensProvider } from 'langium/lsp';
import type { CodeLens, Range } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import type { RunFact } from '../../grammar/rules/facts.ts';
import { expansionsOf } from '../../grammar/typing/sweep.ts';
import { metric as metricText } from '../../runtime/words.ts';
import { COMMANDS } from '../protocol.ts';
import type { FactsKeeper } from '../workspace/facts-keeper.ts';
import { nameOf } from './declarations.ts';
import { agoText } from './wording.ts';

/** Metrics that a lens has room for. */
const SHOWN_METRICS = 2;

export class MlpipeCodeLensProvider implements CodeLensProvider {
  private readonly facts: FactsKeeper;

  constructor(facts: FactsKeeper) {
    this.facts = facts;
  }

  provideCodeLens(document: LangiumDocument): CodeLens[] {
    const root = document.parseResult.value;
    if (!ast.isFile(root) || document.uri.scheme === 'builtin') return [];
    const { uri } = document.textDocument;
    const { runs } = this.facts.factsOf(document);
    return root.elements.flatMap((element) => {
      const range = element.$cstNode?.range;
      if (range === undefined) return [];
      return runnable(element, root).flatMap(({ title, steps }) => [
        {
          range: firstLine(range),
          command: { title: `▶ ${title}`, command: COMMANDS.run, arguments: [uri, ...steps] },
        },
        ...lastResult(uri, steps, runs[steps[0]], firstLine(range)),
      ]);
    });
  }
}

/**
 * A block that stands for several steps has a lens for each. A training is run with its evaluations: who trains wants to
 * know how good it is.
 */
function runnable(element: ast.Element, file: ast.File): { title: string; steps: [string, ...string[]] }[] {
  const name = nameOf(element);
  if (!name) return [];
  if (ast.isStep(element)) return [{ title: 'Run', steps: [name] }];
  const training = ast.isTrain(element) ? element : ast.isEvaluate(element) ? element.training?.ref : undefined;
  if (training === undefined) return [];
  const verb = ast.isTrain(element) ? 'Train' : 'Evaluate';
  const suffixes = expansionsOf(training).map(({ suffix }) => suffix);
  const evaluations = ast.isTrain(element) ? evaluationsOf(element, file) : [];
  return (suffixes.length === 0 ? [''] : suffixes).map((suffix) => ({
    title: suffixes.length > 1 ? `${verb} ${suffix.slice(1)}` : verb,
    steps: [`${name}${suffix}`, ...evaluations.map((evaluation) => `${evaluation}${suffix}`)],
  }));
}

function evaluationsOf(training: ast.Train, { elements }: ast.File): string[] {
  return elements
    .filter(ast.isEvaluate)
    .filter((evaluation) => evaluation.training?.ref === training)
    .flatMap((evaluation) => nameOf(evaluation) ?? []);
}

function lastResult(
  uri: string,
  steps: readonly [string, ...string[]],
  run: RunFact | undefined,
  range: Range,
): CodeLens[] {
  if (run === undefined) return [];
  const metrics = Object.entries(run.metrics)
    .slice(0, SHOWN_METRICS)
    .map(([metric, value]) => metricText(metric, value));
  const outcome = run.status === 'ok' ? metrics : [run.status, ...metrics];
  const title = [...(outcome.length > 0 ? outcome : ['ran']), agoText(run.ended, Date.now())].join(' · ');
  const lenses: CodeLens[] = [
    { range, command: { title, command: COMMANDS.showRecord, arguments: [uri, run.record ?? steps[0]] } },
  ];
  const why = (title: string) => {
    lenses.push({ range, command: { title, command: COMMANDS.why, arguments: [uri, steps[0]] } });
    return lenses;
  };
  // Why it ran again has an answer where it ran before as something else.
  if (run.state === undefined || run.state === 'up-to-date' || !run.reason)
    return run.previous === undefined ? lenses : why('why did this rerun?');
  // What stands in the way of a step stands there after a click, too.
  if (run.state === 'blocked') lenses.push({ range, command: { title: `$(warning) ${run.reason}`, command: '' } });
  else lenses.push({ range, command: { title: `↻ ${run.reason}`, command: COMMANDS.run, arguments: [uri, ...steps] } });
  return run.state === 'stale' ? why('why would this rerun?') : lenses;
}

function firstLine({ start }: Range): Range {
  return { start, end: start };
}

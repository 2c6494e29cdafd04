/**
 * `textDocument/codeLens`: ▶ above what can run, what it gave last, and why it would run again. The commands take
 * URIs and names, never nodes: the client carries them out.
 */
import type { LangiumDocument } from 'langium';
import type { CodeLensProvider } from 'langium/lsp';
import type { CodeLens, Range } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';
import type { RunFact } from '../../grammar/rules/facts.ts';
import { expansionsOf } from '../../grammar/typing/sweep.ts';
import { metric as metricText } from '../../runtime/execute/words.ts';
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
      return runnable(element).flatMap(({ title, step }) => [
        { range: firstLine(range), command: { title: `▶ ${title}`, command: COMMANDS.run, arguments: [uri, step] } },
        ...lastResult(uri, step, runs[step], firstLine(range)),
      ]);
    });
  }
}

/** A block that stands for several steps has a lens for each. */
function runnable(element: ast.Element): { title: string; step: string }[] {
  const name = nameOf(element);
  if (!name) return [];
  if (ast.isStep(element)) return [{ title: 'Run', step: name }];
  const training = ast.isTrain(element) ? element : ast.isEvaluate(element) ? element.training?.ref : undefined;
  if (training === undefined) return [];
  const verb = ast.isTrain(element) ? 'Train' : 'Evaluate';
  const suffixes = expansionsOf(training).map(({ suffix }) => suffix);
  if (suffixes.length <= 1) return [{ title: verb, step: `${name}${suffixes[0] ?? ''}` }];
  return suffixes.map((suffix) => ({ title: `${verb} ${suffix.slice(1)}`, step: `${name}${suffix}` }));
}

function lastResult(uri: string, step: string, run: RunFact | undefined, range: Range): CodeLens[] {
  if (run === undefined) return [];
  const metrics = Object.entries(run.metrics)
    .slice(0, SHOWN_METRICS)
    .map(([metric, value]) => metricText(metric, value));
  const outcome = run.status === 'ok' ? metrics : [run.status, ...metrics];
  const title = [...(outcome.length > 0 ? outcome : ['ran']), agoText(run.ended, Date.now())].join(' · ');
  const lenses: CodeLens[] = [
    { range, command: { title, command: COMMANDS.showRecord, arguments: [uri, run.record ?? step] } },
  ];
  if (run.upToDate === false && run.reason) {
    lenses.push({ range, command: { title: `↻ ${run.reason}`, command: COMMANDS.run, arguments: [uri, step] } });
  }
  return lenses;
}

function firstLine({ start }: Range): Range {
  return { start, end: start };
}

/** What a rule is: a function of a node, what is known of the world, and a way to speak. */
import { type AstNode, type LangiumDocument, type ReferenceInfo, UriUtils } from 'langium';
import type { Range } from 'vscode-languageserver-protocol';
import type * as ast from '../generated/ast.ts';
import type { Code } from './catalogue.ts';
import { type Facts, factKey, type SourceFact } from './facts.ts';
import type { Fix } from './report.ts';

export interface Finding {
  code: Code;
  /** What is wrong, then what to do. */
  message: string;
  /** What it is said of: the whole node, or one property of it. */
  node: AstNode;
  property?: string;
  index?: number;
  /** In the place of the node's own range. */
  range?: Range;
  fixes?: Fix[];
  /** Shown faded, as what can be left out. */
  unnecessary?: boolean;
  /** What else is meant, and why. */
  related?: { node: AstNode; message: string };
}

export type Report = (finding: Finding) => void;

export interface RuleContext {
  document: LangiumDocument<ast.File>;
  facts: Facts;
  /** Names that could stand in the place of an unknown one; none where nobody can tell. */
  candidates: (info: ReferenceInfo) => string[];
}

export type Rule<T extends AstNode> = (node: T, report: Report, context: RuleContext) => void;

/**
 * What several rules ask of the same block, found out once a check. Not for longer: the names in the block may mean
 * something else by then, whether its own text has changed or not.
 */
export function oncePerCheck<Asked, Answer>(
  find: (asked: Asked, context: RuleContext) => Answer,
): (asked: Asked, context: RuleContext) => Answer {
  const checks = new WeakMap<RuleContext, Map<Asked, Answer>>();
  return (asked, context) => {
    const known = checks.get(context) ?? new Map<Asked, Answer>();
    checks.set(context, known);
    const answer = known.get(asked);
    if (answer !== undefined || known.has(asked)) return answer as Answer; // what is known of `asked` is an Answer
    const found = find(asked, context);
    known.set(asked, found);
    return found;
  };
}

/** What is known of a path that is written in the document. */
export function sourceFact(context: RuleContext, path: string): SourceFact | undefined {
  return factOfPath(path, context);
}

const factOfPath = oncePerCheck((path: string, { document, facts }): SourceFact | undefined => {
  const uri = UriUtils.resolvePath(UriUtils.dirname(document.uri), path.replaceAll('\\', '/'));
  return facts.sources[factKey(uri.fsPath)];
});

/** Names as a sentence lists them: `a`, `b` and `c`. */
export function listed(names: readonly string[], last = 'and'): string {
  const quoted = names.map((name) => `\`${name}\``);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} ${last} ${quoted.at(-1)}`;
}

/** What a rule is: a function of a node, what is known of the world, and a way to speak. */
import { type AstNode, type LangiumDocument, type ReferenceInfo, UriUtils } from 'langium';
import type { Range } from 'vscode-languageserver-protocol';
import type * as ast from '../generated/ast.ts';
import type { Code } from './catalogue.ts';
import { type Facts, factKey } from './facts.ts';

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
  /** What a fix needs to know. */
  data?: FixData;
  /** Shown faded, as what can be left out. */
  unnecessary?: boolean;
  related?: { node: AstNode; message: string };
}

/** Plain data: it travels to an editor and back. */
export type FixData = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export type Report = (finding: Finding) => void;

export interface RuleContext {
  document: LangiumDocument<ast.File>;
  facts: Facts;
  /** Names that could stand in the place of an unknown one; none where nobody can tell. */
  candidates: (info: ReferenceInfo) => string[];
}

export type Rule<T extends AstNode> = (node: T, report: Report, context: RuleContext) => void;

/** The key in `Facts.sources` of a path that is written in a file. */
export function factKeyOf(document: LangiumDocument, path: string): string {
  return factKey(UriUtils.resolvePath(UriUtils.dirname(document.uri), path.replaceAll('\\', '/')).fsPath);
}

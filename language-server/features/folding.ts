/** `textDocument/foldingRange`: blocks, brackets over several lines, comments, and runs of imports. */
import { type CstNode, CstUtils, type LangiumDocument } from 'langium';
import type { FoldingRangeProvider } from 'langium/lsp';
import { type FoldingRange, FoldingRangeKind } from 'vscode-languageserver';
import * as ast from '../../grammar/generated/ast.ts';

const closing: Record<string, string> = { '{': '}', '(': ')', '[': ']' };

export class MlpipeFoldingRangeProvider implements FoldingRangeProvider {
  getFoldingRanges(document: LangiumDocument): FoldingRange[] {
    const root = document.parseResult.value;
    const cst = root.$cstNode;
    if (cst === undefined || !ast.isFile(root)) return [];
    const text = cst.root.fullText;
    return [...bracketFolds(cst), ...commentFolds(text), ...importFolds(root)];
  }
}

/** From the line of an opening bracket to the line before its closing one, so that the closing one stays in sight. */
function bracketFolds(root: CstNode): FoldingRange[] {
  const folds: FoldingRange[] = [];
  const open: { text: string; line: number }[] = [];
  for (const leaf of CstUtils.flattenCst(root)) {
    if (leaf.length !== 1) continue;
    const { text } = leaf;
    if (text in closing) {
      open.push({ text, line: leaf.range.start.line });
    } else if (text === '}' || text === ')' || text === ']') {
      const last = open.findLastIndex((bracket) => closing[bracket.text] === text);
      const line = leaf.range.start.line - 1;
      const [bracket] = last === -1 ? [] : open.splice(last);
      if (bracket !== undefined && line > bracket.line) folds.push({ startLine: bracket.line, endLine: line });
    }
  }
  return folds;
}

function commentFolds(text: string): FoldingRange[] {
  const folds: FoldingRange[] = [];
  const lines = text.split(/\r?\n/);
  let start: number | undefined;
  let isBlock = false;
  const end = (line: number) => {
    if (start !== undefined && line > start)
      folds.push({ startLine: start, endLine: line, kind: FoldingRangeKind.Comment });
    start = undefined;
    isBlock = false;
  };
  for (const [number, line] of lines.entries()) {
    if (isBlock) {
      if (line.includes('*/')) end(number);
    } else if (/^\s*\/\*/.test(line)) {
      end(number - 1);
      start = number;
      isBlock = true;
      if (line.includes('*/')) end(number);
    } else if (/^\s*\/\//.test(line)) {
      start ??= number;
    } else {
      end(number - 1);
    }
  }
  end(lines.length - 1);
  return folds;
}

function importFolds(file: ast.File): FoldingRange[] {
  const folds: FoldingRange[] = [];
  let run: CstNode[] = [];
  const end = () => {
    const first = run[0]?.range.start.line;
    const last = run.at(-1)?.range.end.line;
    if (first !== undefined && last !== undefined && last > first) {
      folds.push({ startLine: first, endLine: last, kind: FoldingRangeKind.Imports });
    }
    run = [];
  };
  for (const element of file.elements) {
    if (!ast.isImport(element)) end();
    else if (element.$cstNode !== undefined) run.push(element.$cstNode);
  }
  end();
  return folds;
}

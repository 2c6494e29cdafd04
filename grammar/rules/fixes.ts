/** Fixes: pure functions of what stands in the text, for every rule that has one. */
import { type AstNode, AstUtils, type CstNode, GrammarUtils } from 'langium';
import type { Range, TextEdit } from 'vscode-languageserver-protocol';
import type { Fix } from './report.ts';

/** Puts another text in the place of a range. */
export function replace(title: string, range: Range | undefined, newText: string): Fix[] {
  return range === undefined ? [] : [{ title, edits: [{ range, newText }] }];
}

/** Puts another text in the place of a node, or of one property of it. */
export function replaceNode(title: string, node: AstNode, newText: string, property?: string, index?: number): Fix[] {
  return replace(title, cstOf(node, property, index)?.range, newText);
}

export function changeTo(node: AstNode, meant: string | undefined, property?: string, index?: number): Fix[] {
  return meant === undefined ? [] : replaceNode(`Change to \`${meant}\``, node, meant, property, index);
}

/** Writes after a node, or after one property of it. */
export function appendTo(title: string, node: AstNode, text: string, property?: string): Fix[] {
  const end = cstOf(node, property)?.range.end;
  return end === undefined ? [] : [{ title, edits: [{ range: { start: end, end }, newText: text }] }];
}

/** Takes a node away; with its lines where nothing else stands on them. */
export function remove(title: string, node: AstNode): Fix[] {
  const cst = node.$cstNode;
  if (cst === undefined) return [];
  return [{ title, edits: [{ range: wholeLines(node, cst), newText: '' }] }];
}

/** Takes an item of a list away, with the comma that stood for it. */
export function removeItem(title: string, node: AstNode): Fix[] {
  const cst = node.$cstNode;
  if (cst === undefined) return [];
  const text = AstUtils.getDocument(node).textDocument;
  const all = text.getText();
  // What stands far before an item is not looked through for each of a thousand.
  const before = /,\s*$/.exec(all.slice(Math.max(0, cst.offset - 400), cst.offset))?.[0].length ?? 0;
  const after = before > 0 ? 0 : (/^\s*,[ \t]*/.exec(all.slice(cst.end, cst.end + 400))?.[0].length ?? 0);
  const range = { start: text.positionAt(cst.offset - before), end: text.positionAt(cst.end + after) };
  return [{ title, edits: [{ range, newText: '' }] }];
}

/** Adds a fact below another, or below the last of a block, with its value where the neighbour's value stands. */
export function addFact(title: string, block: AstNode, word: string, value: string, below?: AstNode): Fix[] {
  const edit = factEdit(block, word, value, below);
  return edit === undefined ? [] : [{ title, edits: [edit] }];
}

function factEdit(block: AstNode, word: string, value: string, below?: AstNode): TextEdit | undefined {
  const cst = block.$cstNode;
  if (cst === undefined) return undefined;
  const text = AstUtils.getDocument(block).textDocument;
  const facts = [...AstUtils.streamContents(block)].filter(
    (node) => node.$containerProperty === 'facts' && node.$cstNode !== undefined,
  );
  const neighbour = below?.$cstNode ?? facts.at(-1)?.$cstNode;
  if (neighbour === undefined) {
    const brace = cst.text.indexOf('{');
    if (brace === -1) return undefined;
    const at = text.positionAt(cst.offset + brace + 1);
    const indent = indentOf(text.getText(), cst.offset);
    const isOneLine = /^\s*\}/.test(cst.text.slice(brace + 1)) && !/^[^\n}]*\n/.test(cst.text.slice(brace + 1));
    return { range: { start: at, end: at }, newText: `\n${indent}  ${word} ${value}${isOneLine ? `\n${indent}` : ''}` };
  }
  const end = endOfLine(text.getText(), neighbour);
  const at = text.positionAt(end);
  const first = /^(\w+)( +)/.exec(neighbour.text);
  const width = first?.[0].length ?? 0;
  const written = word.length < width ? word.padEnd(width) : `${word} `;
  return {
    range: { start: at, end: at },
    newText: `\n${indentOf(text.getText(), neighbour.offset)}${written}${value}`,
  };
}

/** Adds a named argument to a call, or brackets with it where there are none. */
export function addArgument(title: string, call: AstNode, name: string, value: string): Fix[] {
  const cst = call.$cstNode;
  if (cst === undefined) return [];
  const bare = cst.text;
  const text = AstUtils.getDocument(call).textDocument;
  const close = bare.endsWith(')') ? cst.end - 1 : cst.end;
  const hasOther = bare.endsWith(')') && !/\(\s*\)$/.test(bare);
  const argument = `${hasOther ? ', ' : ''}${name}: ${value}`;
  const at = text.positionAt(close);
  const newText = bare.endsWith(')') ? argument : `(${argument})`;
  return [{ title, edits: [{ range: { start: at, end: at }, newText }] }];
}

export function cstOf(node: AstNode, property?: string, index?: number): CstNode | undefined {
  return property === undefined
    ? node.$cstNode
    : GrammarUtils.findNodeForProperty(node.$cstNode, property, index === undefined ? undefined : index);
}

/** From the start of the node's first line to the start of the line after it, where the node stands alone on them. */
function wholeLines(node: AstNode, cst: CstNode): Range {
  const text = AstUtils.getDocument(node).textDocument;
  const all = text.getText();
  const lineStart = all.lastIndexOf('\n', cst.offset - 1) + 1;
  const newline = all.indexOf('\n', cst.end);
  const lineEnd = newline === -1 ? all.length : newline + 1;
  const isAlone =
    all.slice(lineStart, cst.offset).trim() === '' && /^[ \t]*(\/\/[^\n]*)?\r?\n?$/.test(all.slice(cst.end, lineEnd));
  if (!isAlone) return cst.range;
  return { start: text.positionAt(lineStart), end: text.positionAt(lineEnd) };
}

function indentOf(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset))?.[0] ?? '';
}

/** After the comment that stands behind a fact. */
function endOfLine(text: string, cst: CstNode): number {
  const rest = /^[ \t]*(\/\/[^\r\n]*)?(?=\r?\n|$)/.exec(text.slice(cst.end))?.[0];
  return cst.end + (rest?.trimEnd().length ?? 0);
}

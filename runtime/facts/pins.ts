/** What `mlpipe pin` writes: the digests of data and lock files as they are now, put where the text wants them. */
import { resolve } from 'node:path';
import { GrammarUtils, type LangiumDocument, URI, UriUtils } from 'langium';
import * as ast from '../../grammar/generated/ast.ts';
import { filesOf } from '../../grammar/plan/lower.ts';
import { Names } from '../../grammar/plan/lowering/names.ts';
import type { Digest, Plan } from '../../grammar/plan/plan.ts';
import type { Stored } from '../store/store.ts';

export interface PinEdit {
  /** Of the data or the environment. */
  name: string;
  /** Relative to the pipeline's folder. */
  file: string;
  before: string | null;
  after: Digest;
  /** In the text of `uri`, counted in UTF-16 units: replace what lies between by `text`. */
  uri: string;
  start: number;
  end: number;
  text: string;
}

export interface PinOptions {
  digest: (path: string) => Promise<Stored>;
  /** Only these data sets and environments. */
  names?: string[];
  /** Also where a pin stands that differs; without it only missing pins are written. */
  update?: boolean;
}

/**
 * The edits that pin a pipeline, in it and in the files it imports from. Nothing else of a text changes; a new pin stands
 * in a line of its own below `from`, aligned as `from` is.
 *
 * @param plan of this document, as much of it as there is
 * @throws MlpipeError from `digest`, where a source is not there
 */
export async function pinsOf(document: LangiumDocument<ast.File>, plan: Plan, options: PinOptions): Promise<PinEdit[]> {
  const names = new Names(document);
  const folder = UriUtils.dirname(document.uri).fsPath;
  const edits: PinEdit[] = [];
  const propose = async (name: string, path: string, before: string | undefined, place: Place): Promise<void> => {
    if (options.names !== undefined && !options.names.includes(name)) return;
    if (before !== undefined && !options.update) return;
    const { digest } = await options.digest(resolve(folder, path));
    if (digest === before) return;
    edits.push({
      name,
      file: UriUtils.relative(UriUtils.dirname(document.uri), URI.parse(place.uri)),
      before: before ?? null,
      after: digest,
      uri: place.uri,
      start: place.start,
      end: place.end,
      text: place.before + digest,
    });
  };
  for (const file of filesOf(document)) {
    for (const element of file.parseResult.value.elements) {
      if (ast.isData(element)) {
        const source = plan.data[names.of(element)]?.source;
        const place = pinOfData(element, file);
        if (source?.kind === 'path' && place !== undefined)
          await propose(names.of(element), source.path, element.facts.find(ast.isPinFact)?.digest, place);
      } else if (ast.isEnvironment(element)) {
        for (const fact of element.facts.filter(ast.isInterpreterFact)) {
          const place = pinOfLock(fact, file);
          if (fact.lock !== undefined && place !== undefined)
            await propose(names.of(element), names.path(fact, fact.lock), fact.digest, place);
        }
      }
    }
  }
  return edits;
}

/** A text with its edits made. */
export function applyEdits(text: string, edits: readonly Pick<PinEdit, 'start' | 'end' | 'text'>[]): string {
  return [...edits]
    .sort((a, b) => b.start - a.start)
    .reduce((edited, edit) => edited.slice(0, edit.start) + edit.text + edited.slice(edit.end), text);
}

interface Place {
  uri: string;
  start: number;
  end: number;
  /** What stands before the digest. */
  before: string;
}

function pinOfData(data: ast.Data, file: LangiumDocument): Place | undefined {
  const uri = file.uri.toString();
  const pin = data.facts.find(ast.isPinFact);
  const digest = GrammarUtils.findNodeForProperty(pin?.$cstNode, 'digest');
  if (digest !== undefined) return { uri, start: digest.offset, end: digest.end, before: '' };
  const from = data.facts.find(ast.isFromFact);
  const value = GrammarUtils.findNodeForProperty(from?.$cstNode, 'source');
  // A `pin` that lacks its digest is an error of its own; the text is left to whoever is writing it.
  if (pin !== undefined || value === undefined || from?.$cstNode === undefined) return undefined;
  const text = file.textDocument.getText();
  const word = text.lastIndexOf('from', value.offset - 1);
  const lineStart = text.lastIndexOf('\n', word) + 1;
  const indent = text.slice(lineStart, word);
  if (indent.trim() !== '') return undefined;
  const lineEnd = endOfLine(text, value.end);
  const lineBreak = text.includes('\r\n') ? '\r\n' : '\n';
  const spaces = ' '.repeat(Math.max(1, value.offset - word - 'pin'.length));
  return { uri, start: lineEnd, end: lineEnd, before: `${lineBreak}${indent}pin${spaces}` };
}

function pinOfLock(fact: ast.InterpreterFact, file: LangiumDocument): Place | undefined {
  const uri = file.uri.toString();
  const digest = GrammarUtils.findNodeForProperty(fact.$cstNode, 'digest');
  if (digest !== undefined) return { uri, start: digest.offset, end: digest.end, before: '' };
  const lock = GrammarUtils.findNodeForProperty(fact.$cstNode, 'lock');
  return lock === undefined ? undefined : { uri, start: lock.end, end: lock.end, before: ' pin ' };
}

function endOfLine(text: string, offset: number): number {
  const end = text.indexOf('\n', offset);
  if (end < 0) return text.length;
  return text[end - 1] === '\r' ? end - 1 : end;
}

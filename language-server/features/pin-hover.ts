/** What a hover on a pin says: who pinned it, when, what it is, and what was there before. */
import { type AstNode, GrammarUtils, type LeafCstNode } from 'langium';
import * as ast from '../../grammar/generated/ast.ts';
import type { Digest } from '../../grammar/plan/plan.ts';
import type { KnownContent, PinHistory, PinQuestion } from '../../runtime/api-editor.ts';
import { count, listed, minute, size } from '../../runtime/words.ts';
import { nameOf } from './declarations.ts';
import { agoText } from './wording.ts';

/** The question behind a place in the text; nothing where no pin stands there. */
export function pinAt(leaf: LeafCstNode): Omit<PinQuestion, 'file' | 'text'> | undefined {
  const node: AstNode = leaf.astNode;
  if (!ast.isPinFact(node) && !ast.isInterpreterFact(node)) return undefined;
  const digest = GrammarUtils.findNodeForProperty(node.$cstNode, 'digest');
  const word = GrammarUtils.findNodeForKeyword(node.$cstNode, 'pin');
  if (digest === undefined || ![digest, word].some((part) => part?.offset === leaf.offset)) return undefined;
  const block: AstNode = node.$container;
  const name = ast.isData(block) || ast.isEnvironment(block) ? nameOf(block) : undefined;
  if (name === undefined || !/^sha256:[0-9a-f]{64}$/.test(digest.text)) return undefined;
  return {
    line: digest.range.start.line,
    // The expression above admits nothing else.
    digest: digest.text as Digest,
    owner: ast.isPinFact(node) ? { name } : { name, language: node.language },
  };
}

export function pinText({ origin, now, before }: PinHistory): string {
  const what = contentText(now);
  const lines = [`Pins \`${shortDigest(now.digest)}\`${what === '' ? '' : `: ${what}`}`];
  switch (origin?.state) {
    case undefined:
      lines.push('Who pinned it is not known: git takes too long to find the line.');
      break;
    case 'no-repository':
      lines.push('Who pinned it is not known: the folder is in no git repository.');
      break;
    case 'file-uncommitted':
      lines.push('Not committed yet, as nothing of this file is.');
      break;
    case 'uncommitted':
      lines.push(`This pin is not committed yet. ${beforeText(origin.before, before, 'In the last commit')}`);
      break;
    case 'committed': {
      const { who, when, commit } = origin;
      const said = commit.subject === '' ? '' : `: ${plain(commit.subject)}`;
      lines.push(`Pinned by **${plain(who)}** ${agoText(when, Date.now())} (${minute(when)} UTC)`);
      lines.push(`Commit \`${commit.id.slice(0, 8)}\`${said}`);
      if (origin.before === 'unknown') lines.push('This clone does not reach back to what was there before.');
      else lines.push(beforeText(origin.before, before, 'Before'));
      break;
    }
  }
  return lines.join('\n\n');
}

function beforeText(before: string, content: KnownContent | undefined, when: string): string {
  if (before === 'new') return `${when}: there was no such block.`;
  if (before === 'unpinned') return `${when}: not pinned.`;
  const what = content === undefined ? '' : contentText(content);
  return `${when}: \`${shortDigest(before)}\`${what === '' ? '' : `, ${what}`}`;
}

/** `1,797 rows, 260 KiB, in the store`; the rows and bytes as far as anybody knows them. */
function contentText({ bytes, files, rows, inStore }: KnownContent): string {
  const words = [
    ...(rows === undefined ? [] : [`${count(rows)} rows`]),
    ...(files === undefined ? [] : [`${count(files)} ${files === 1 ? 'file' : 'files'}`]),
    ...(bytes === undefined ? [] : [size(bytes)]),
  ];
  return [words.length === 0 ? '' : listed(words), inStore ? 'in the store' : 'not in the store']
    .filter((part) => part !== '')
    .join(', ');
}

/** What git says comes from people: text, never markup. */
function plain(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!|<>~&]/g, '\\$&');
}

function shortDigest(digest: string): string {
  return digest.slice(0, 'sha256:'.length + 12);
}

/** Syntax errors in the words of the language: what is missing, and after what. */
import type { IToken, TokenType } from 'chevrotain';
import { LangiumParserErrorMessageProvider } from 'langium';

/** What a rule stands for when nothing of it could be read. */
const NOUNS: Readonly<Record<string, string>> = {
  Name: 'a name',
  PartName: 'a name',
  TargetName: 'a name',
  LayerName: 'a layer',
  TypeName: 'a type',
  Word: 'a name',
  UnitName: 'a unit',
  SimpleType: 'a type',
  Primary: 'a value',
  Unary: 'a value',
  Source: 'a text or a name',
  HardwareItem: 'a hardware class or a quantity',
  Text: 'a text',
  Label: 'a label',
  Element: 'a block',
  SplitEntry: 'a part of the split, `stratify`, `group` or `seed`',
  ModelItem: 'a layer or `input`',
  ClassType: 'a number of classes or their names',
  LayerCall: 'a layer',
  Param: 'a name',
};

/** What a token stands for, where its own name would say nothing. */
const TOKENS: Readonly<Record<string, string>> = {
  STRING: 'A text',
  NUMBER: 'A number',
  DIGEST: 'A digest',
  ID: 'A name',
  LABEL: 'A name and a colon',
  LINE: 'A new line',
  SECTION: 'A block',
  EOF: 'The end of the file',
  TEXT_END: 'The end of the text',
};

interface Mismatch {
  expected: TokenType;
  actual: IToken;
  previous: IToken;
  ruleName: string;
}

interface NoAlternative {
  expectedPathsPerAlt: TokenType[][][];
  actual: IToken[];
  previous: IToken;
  customUserDescription: string;
  ruleName: string;
}

export class MlpipeParserErrorMessageProvider extends LangiumParserErrorMessageProvider {
  override buildMismatchTokenMessage({ expected, actual, previous }: Mismatch): string {
    if (isLayout(actual) || (expected.name !== '}' && isOnLaterLine(actual, previous))) {
      return `${nounOf(expected)} is missing after ${quote(previous)}.`;
    }
    if (['}', 'LINE', 'SECTION', 'EOF'].includes(expected.name)) {
      // Chevrotain has skipped ahead by now: `previous` is not what stands before `actual`.
      return `${quote(actual)} does not belong here.`;
    }
    return `${nounOf(expected)} should stand here, not ${quote(actual)}.`;
  }

  override buildNoViableAltMessage({ expectedPathsPerAlt, actual, previous, ruleName }: NoAlternative): string {
    // Langium ends a rule's name with a zero-width space.
    const rule = ruleName.replace('\u200B', '');
    const firsts = new Set(expectedPathsPerAlt.flat().map((path) => path[0]?.name));
    // That any word may begin a line, so that the error is a better one, helps nobody.
    for (const name of [undefined, ...(firsts.has('ID') && firsts.has('{') ? ['ID', '{'] : [])]) firsts.delete(name);
    const list = firsts.size <= 12 ? `one of ${[...firsts].map((name) => `\`${name}\``).join(', ')}` : 'something else';
    const noun = capital(NOUNS[rule] ?? list);
    const [found] = actual;
    return found === undefined || isLayout(found) || isOnLaterLine(found, previous)
      ? `${noun} is missing after ${quote(previous)}.`
      : `${noun} should stand here, not ${quote(found)}.`;
  }

  override buildNotAllInputParsedMessage({ firstRedundant }: { firstRedundant: IToken }): string {
    return `${quote(firstRedundant)} does not belong here.`;
  }
}

/** Tokens made by the layout pass, and the end of the file, have no text. */
function isLayout(token: IToken): boolean {
  return token.image === '';
}

function isOnLaterLine(token: IToken, previous: IToken): boolean {
  return previous.image !== '' && (token.startLine ?? 0) > (previous.endLine ?? 0);
}

function quote(token: IToken): string {
  return token.image === '' ? 'the end of the line' : `\`${token.image}\``;
}

function nounOf(type: TokenType): string {
  return TOKENS[type.name] ?? `\`${type.name}\``;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

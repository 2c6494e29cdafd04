/** What the text of a token means: numbers without their `_`, texts without quotes and escapes. */
import { type CstNode, DefaultValueConverter, type GrammarAST, type ValueType } from 'langium';

export class MlpipeValueConverter extends DefaultValueConverter {
  protected override runConverter(rule: GrammarAST.AbstractRule, input: string, cstNode: CstNode): ValueType {
    switch (rule.name) {
      case 'STRING':
      case 'TEXT_END':
        // The closing quote may be missing; the lexer has said so.
        return unescapeText(input.slice(1, isClosed(input) ? -1 : undefined));
      case 'TEXT_START':
      case 'TEXT_MIDDLE':
        return unescapeText(input.slice(1, -2));
      case 'NUMBER':
        return Number(input.replaceAll('_', ''));
    }
    return super.runConverter(rule, input, cstNode);
  }
}

/** Whether a text, from its first quote or brace on, has its closing quote. `"\"` has not. */
export function isClosed(image: string): boolean {
  return image.length > 1 && image.endsWith('"') && !/(?<!\\)(\\\\)*\\"$/.test(image);
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };

/** `\n`, `\t` and `\r` are what they are elsewhere; any other character after `\` stands for itself, as in `\${HOME}`. */
export function unescapeText(text: string): string {
  return text.replace(/\\(.)/g, (_, character: string) => ESCAPES[character] ?? character);
}

/** The inverse of `unescapeText`, for code that writes a text into a pipeline. */
export function escapeText(text: string): string {
  return text
    .replace(/["\\]/g, '\\$&')
    .replace(/\$\{/g, '\\${')
    .replaceAll('\n', '\\n')
    .replaceAll('\t', '\\t')
    .replaceAll('\r', '\\r');
}

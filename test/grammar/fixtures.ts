/**
 * Fixtures: pipelines that say in comments what is to be said about them.
 *
 *     from "data/digits.csv"
 *     //   ^^^^^^^^^^^^^^^^^ error MLP2001: `digits` is not pinned, …
 *
 * A mark speaks of the line above; carets stand under what is underlined, to the end of its first line. What begins in the
 * first two columns is marked by `// <- `. A message may end with `…`. A fixture about which nothing is to be said has the
 * line `// no findings`. Beside `name.mlpipe` may lie `name.facts.json`, what is known of the world, with paths relative
 * to the fixture; and `name.fixed`, what the text is after the fix that the line `// fix CODE` names.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type LangiumDocument, URI } from 'langium';
import type { Diagnostic } from 'vscode-languageserver-protocol';
import type * as ast from '../../grammar/generated/ast.ts';
import { loadPipeline } from '../../grammar/load.ts';
import { createMlpipeServices } from '../../grammar/module.ts';
import { isCode } from '../../grammar/rules/catalogue.ts';
import { type Facts, factKey, NO_FACTS } from '../../grammar/rules/facts.ts';

export const FIXTURES = fileURLToPath(new URL('../fixtures/', import.meta.url));

export interface Mark {
  /** Of what is underlined, from 0. */
  line: number;
  column: number;
  length: number;
  severity: string;
  code: string;
  message: string;
}

export interface Fixture {
  /** `2-data/not-pinned`. */
  name: string;
  path: string;
  text: string;
  marks: Mark[];
  isSilent: boolean;
  facts: Facts;
  /** The code whose first fix is applied, and what comes of it. */
  fix?: { code: string; fixed: string };
  /** Why this is no fixture. */
  malformed: string[];
}

/** Every fixture below a folder; what is imported by others lies in folders called `imported`. */
export function findFixtures(folder = FIXTURES): Fixture[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return entry.name === 'imported' ? [] : findFixtures(path);
      return folder !== FIXTURES && entry.name.endsWith('.mlpipe') ? [readFixture(path)] : [];
    });
}

const MARK = /^\s*\/\/(?:( *)(\^+)| (<-)) (error|warning|information|hint) (MLP\d{4}): (.+)$/;

export function readFixture(path: string): Fixture {
  const text = readFileSync(path, 'utf8');
  const fixture: Fixture = {
    name: relative(FIXTURES, path).replace(/\.mlpipe$/, ''),
    path,
    text,
    marks: [],
    isSilent: false,
    facts: NO_FACTS,
    malformed: [],
  };
  let subject = -1;
  let fixCode: string | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    const found = MARK.exec(line);
    const word = /^\/\/ (no findings|fix (MLP\d{4}))$/.exec(line);
    if (found !== null) {
      const column = found[3] === undefined ? line.indexOf('^') : 0;
      const [, , carets = '', , severity = '', code = '', message = ''] = found;
      if (subject < 0) fixture.malformed.push(`Line ${index + 1} marks nothing.`);
      if (!isCode(code)) fixture.malformed.push(`Line ${index + 1}: there is no code ${code}.`);
      fixture.marks.push({ line: subject, column, length: carets.length, severity, code, message });
    } else if (word !== null) {
      if (word[2] === undefined) fixture.isSilent = true;
      else fixCode = word[2];
    } else {
      if (/\/\/.*(\^\^|\bMLP\d{4}:)/.test(line))
        fixture.malformed.push(`Line ${index + 1} looks like a mark and is none.`);
      subject = index;
    }
  }
  if (fixture.marks.length === 0 && !fixture.isSilent)
    fixture.malformed.push('It marks nothing and does not say `// no findings`.');
  if (fixture.marks.length > 0 && fixture.isSilent) fixture.malformed.push('It says `// no findings` and marks some.');
  const beside = join(dirname(path), basename(path, '.mlpipe'));
  if (existsSync(`${beside}.facts.json`))
    fixture.facts = factsAround(path, readFileSync(`${beside}.facts.json`, 'utf8'));
  const isFixed = existsSync(`${beside}.fixed`);
  if (fixCode !== undefined && isFixed) fixture.fix = { code: fixCode, fixed: readFileSync(`${beside}.fixed`, 'utf8') };
  else if (fixCode !== undefined || isFixed) fixture.malformed.push('`// fix CODE` and a `.fixed` file go together.');
  return fixture;
}

function factsAround(path: string, text: string): Facts {
  const facts = JSON.parse(text) as Partial<Facts>; // written by hand beside the fixture
  const sources = Object.entries(facts.sources ?? {}).map(([key, fact]) => [factKey(join(dirname(path), key)), fact]);
  return { ...NO_FACTS, ...facts, sources: Object.fromEntries(sources) };
}

const { mlpipe } = createMlpipeServices();

/** What is said about a text that stands at the path of a fixture. */
export async function diagnose(
  path: string,
  text: string,
  facts: Facts,
): Promise<{ document: LangiumDocument<ast.File>; diagnostics: Diagnostic[] }> {
  const uri = URI.file(path);
  mlpipe.shared.workspace.LangiumDocuments.deleteDocument(uri);
  const document = await loadPipeline(mlpipe, uri, (wanted) => {
    if (wanted.toString() === uri.toString()) return text;
    return existsSync(wanted.fsPath) ? readFileSync(wanted.fsPath, 'utf8') : undefined;
  });
  if (document === undefined) throw new Error(`${path} was not read.`);
  mlpipe.rules.Facts.set(uri, facts);
  const diagnostics = await mlpipe.validation.DocumentValidator.validateDocument(document);
  return { document, diagnostics };
}

const SEVERITIES = ['', 'error', 'warning', 'information', 'hint'];

/** A diagnostic as a mark; what spans lines is marked to the end of the first. */
export function markOf(diagnostic: Diagnostic, lines: readonly string[]): Mark {
  const { start, end } = diagnostic.range;
  const last = end.line === start.line ? end.character : (lines[start.line]?.trimEnd().length ?? 0);
  return {
    line: start.line,
    column: start.character < 2 ? 0 : start.character,
    length: start.character < 2 ? 0 : Math.max(1, last - start.character),
    severity: SEVERITIES[diagnostic.severity ?? 1] ?? 'error',
    code: String(diagnostic.code),
    message: typeof diagnostic.message === 'string' ? diagnostic.message : diagnostic.message.value,
  };
}

/** A mark as the comment that expects it. */
export function writeMark({ column, length, severity, code, message }: Mark): string {
  const place = length === 0 ? '// <-' : `//${' '.repeat(column - 2)}${'^'.repeat(length)}`;
  return `${place} ${severity} ${code}: ${message}`;
}

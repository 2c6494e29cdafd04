/** Parameters from outside: `-S rate=1e-2`, checked as if the value stood in the file. */
import type { LangiumDocument } from 'langium';
import * as ast from '../../generated/ast.ts';
import { BUILTINS_URI } from '../../scoping/builtins.ts';
import { isDeclaration } from '../../scoping/declarations.ts';
import { type Bindings, evaluate } from '../../typing/evaluate.ts';
import { conform, isInDomain, meaningOfType, nounOfType } from '../../typing/types.ts';
import { inBaseUnits, likelyUnits, meaningOfUnit, nounOfDimension, PLAIN } from '../../typing/units.ts';
import { numberValue, planValueOf, type Value } from '../../typing/values.ts';

/** What is wrong with a parameter that was given: as a sentence that says which values are allowed. */
export interface ParameterProblem {
  parameter: string;
  message: string;
}

/** The values by parameter, and what is wrong with the others. */
export function bindParameters(
  document: LangiumDocument<ast.File>,
  given: Readonly<Record<string, string>>,
): { bindings: Bindings; problems: ParameterProblem[] } {
  const bindings = new Map<ast.Param, Value>();
  const problems: ParameterProblem[] = [];
  const params = visibleParams(document);
  for (const [name, text] of Object.entries(given)) {
    const param = params.get(name);
    if (param === undefined) {
      const known = [...params.keys()].sort();
      const hint = known.length > 0 ? `It has ${known.map((word) => `\`${word}\``).join(', ')}.` : 'It has none.';
      problems.push({ parameter: name, message: `The pipeline has no parameter \`${name}\`. ${hint}` });
      continue;
    }
    const bound = valueFor(param, text, document);
    if ('message' in bound)
      problems.push({ parameter: name, message: `\`${name}\` cannot be \`${text}\`: ${bound.message}` });
    else bindings.set(param, bound);
  }
  return { bindings, problems };
}

/** The parameters of the file and those that it imports, by the names they have there. */
export function visibleParams(document: LangiumDocument<ast.File>): Map<string, ast.Param> {
  const params = new Map<string, ast.Param>();
  for (const element of document.parseResult.value.elements) {
    if (ast.isParam(element) && !params.has(element.name)) params.set(element.name, element);
    if (!ast.isImport(element)) continue;
    for (const item of element.items) {
      const target = item.target?.ref;
      if (ast.isParam(target)) params.set(item.name ?? item.target.$refText, target);
    }
  }
  return params;
}

function valueFor(param: ast.Param, text: string, document: LangiumDocument<ast.File>): Value | { message: string } {
  const usual = evaluate(param.value);
  const type = meaningOfType(param.type);
  const value = read(text, document, type?.kind === 'choice' || usual?.kind === 'choice', usual);
  if (type !== undefined) {
    const fitted = conform(value, type);
    if ('misfit' in fitted) return { message: `it must be ${nounOfType(type)}.` };
  } else if (usual !== undefined && !isAlike(value, usual)) {
    const unit =
      usual.kind === 'number' && usual.dimension !== PLAIN
        ? `, such as \`12 ${likelyUnits(usual.dimension)[0] ?? usual.dimension}\``
        : '';
    const noun =
      usual.kind === 'number'
        ? usual.dimension === PLAIN
          ? 'a number'
          : nounOfDimension(usual.dimension)
        : `a ${usual.kind}`;
    return { message: `it must be ${noun}${unit}.` };
  }
  const domain = evaluate(param.domain);
  const plan = planValueOf(value);
  if (domain !== undefined && plan !== undefined && !isInDomain(plan, domain)) {
    return { message: `allowed is ${param.domain?.$cstNode?.text ?? 'less'}.` };
  }
  return value;
}

function isAlike(value: Value, usual: Value): boolean {
  if (value.kind !== usual.kind) return false;
  return value.kind !== 'number' || usual.kind !== 'number' || value.dimension === usual.dimension;
}

/** A number with its unit, `true`, `false`, a list of such in brackets; anything else is a text or a choice. */
function read(text: string, document: LangiumDocument<ast.File>, isChoice: boolean, usual: Value | undefined): Value {
  const trimmed = text.trim();
  if (usual?.kind === 'text') return { kind: 'text', value: text };
  if (isChoice) return { kind: 'choice', name: trimmed };
  if (trimmed === 'true' || trimmed === 'false') return { kind: 'boolean', value: trimmed === 'true' };
  if (trimmed.startsWith('[') && trimmed.endsWith(']')) {
    const items = trimmed
      .slice(1, -1)
      .split(',')
      .filter((item) => item.trim() !== '');
    return { kind: 'list', items: items.map((item) => read(item, document, false, undefined)) };
  }
  const found = /^([-+]?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*(%|[a-zA-Z]\w*)?$/.exec(trimmed);
  if (found?.[1] === undefined) return { kind: 'text', value: text };
  const number = Number(found[1].replaceAll('_', ''));
  if (found[2] === undefined) return numberValue(number);
  const meaning = meaningOfUnit(unitNamed(document, found[2]));
  return meaning === undefined
    ? { kind: 'text', value: text }
    : numberValue(inBaseUnits(number, meaning), meaning.dimension);
}

/** A unit of the library, which is found through any name of it that the document uses. */
function unitNamed(document: LangiumDocument<ast.File>, name: string): ast.Unit | undefined {
  for (const reference of document.references) {
    const target = 'ref' in reference ? reference.ref : undefined;
    let root = target;
    while (root?.$container !== undefined) root = root.$container;
    if (ast.isFile(root) && root.$document?.uri.toString() === BUILTINS_URI.toString()) {
      return root.elements.filter(ast.isUnit).find((unit) => isDeclaration(unit) && unit.name === name);
    }
  }
  return undefined;
}

/** One mistake, one error: which unresolved references only follow from another. */
import { type AstNode, AstUtils, type Reference, type ReferenceInfo } from 'langium';
import * as ast from '../generated/ast.ts';
import { nearest } from '../syntax/distance.ts';
import { importedUri } from './imports.ts';
import { targetOf } from './targets.ts';

/** Whether a reference can't be resolved because of something that is reported where it stands. */
export function isFollowUp({ container, reference }: ReferenceInfo): boolean {
  // Letters of other alphabets are an error already.
  if (/[^ -~]/.test('$refText' in reference ? reference.$refText : '')) return true;
  if (ast.isMemberExpression(container)) return targetOf(container.receiver) === undefined;
  const argument = ast.isNameExpression(container) ? container.$container : undefined;
  if (ast.isArgument(argument) && !isKnown(argument)) return true;
  if (ast.isArgument(container)) return !isResolved(container.$container) || isSweptInVain(container.$container);
  if (ast.isImportItem(container)) return !isFileThere(container.$container);
  return isImportedInVain(container, 'ref' in reference ? reference : undefined);
}

/** Without its parameter, nobody knows which choices an argument may name. */
function isKnown(argument: ast.Argument): boolean {
  if (!isResolved(argument.$container)) return false;
  return argument.parameter === undefined || argument.parameter.ref !== undefined;
}

function isResolved(owner: ast.Argument['$container']): boolean {
  const of: Reference | undefined = ast.isNameExpression(owner)
    ? owner.target
    : ast.isGate(owner)
      ? owner.metric
      : ast.isDeploy(owner)
        ? owner.training
        : owner.callee;
  return of?.ref !== undefined;
}

/** A training whose parameter is not known is blamed where it says which. */
function isSweptInVain(owner: ast.Argument['$container']): boolean {
  const training = ast.isDeploy(owner)
    ? owner.training?.ref
    : ast.isNameExpression(owner)
      ? owner.target?.ref
      : undefined;
  return ast.isTrain(training) && training.sweep?.param !== undefined && training.sweep.param.ref === undefined;
}

/** A file that is missing is one error, at its path. */
function isFileThere(statement: AstNode | undefined): boolean {
  if (!ast.isImport(statement)) return true;
  const uri = importedUri(statement);
  const documents = AstUtils.findRootNode(statement).$document;
  return uri !== undefined && documents !== undefined && statement.items.some((item) => item.target?.ref !== undefined);
}

/** A name that an import brings, or was to bring but for a slip, and did not find. */
function isImportedInVain(container: AstNode, reference: Reference | undefined): boolean {
  const root = AstUtils.findRootNode(container);
  if (reference === undefined || !ast.isFile(root)) return false;
  return root.elements
    .filter(ast.isImport)
    .flatMap((statement) => statement.items)
    .some((item) => item.target.ref === undefined && nearest(reference.$refText, [nameOf(item)]) !== undefined);
}

function nameOf(item: ast.ImportItem): string {
  return item.name ?? item.target.$refText;
}

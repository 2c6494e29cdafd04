/** The column that a training predicts. */
import * as ast from '../generated/ast.ts';
import { columnsOf } from '../scoping/declarations.ts';
import { dataOf, targetOf } from '../scoping/targets.ts';

export interface TargetInfo {
  column?: ast.Column;
  /** Where none is named: the columns that it could be. */
  candidates: ast.Column[];
}

/** The named column, else the only one that is neither an input nor what the split is grouped by. */
export function targetColumnOf(train: ast.Train): TargetInfo {
  const data = dataOf(train.facts.find(ast.isOnFact)?.data);
  const fact = train.facts.find(ast.isTargetFact);
  if (fact !== undefined) {
    const column = targetOf(fact.column);
    return ast.isColumn(column) ? { column, candidates: [] } : { candidates: [] };
  }
  const model = train.facts.find(ast.isModelFact)?.model?.ref;
  const inputs = model?.facts.filter(ast.isInputFact).flatMap(({ sources }) => sources.map(targetOf)) ?? [];
  const inputNames = new Set(inputs.filter(ast.isColumn).map(({ name }) => name));
  const groups = data?.facts.filter(ast.isSplitFact).flatMap((split) => split.facts.filter(ast.isGroupFact)) ?? [];
  const grouped = new Set(groups.map((group) => group.column?.ref?.name));
  const candidates = columnsOf(data).filter(({ name }) => !inputNames.has(name) && !grouped.has(name));
  return candidates.length === 1 && candidates[0] ? { column: candidates[0], candidates } : { candidates };
}

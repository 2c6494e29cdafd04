/** Columns: what a schema's types mean as numbers. */
import * as ast from '../generated/ast.ts';
import type { ColumnPlan, ColumnType } from '../plan/plan.ts';
import { columnsOf } from '../scoping/declarations.ts';
import { evaluate } from './evaluate.ts';
import { labelsOf, shapeOfType } from './types.ts';

/** The type of a column as a plan spells it; `undefined` where it is none that a column can have. */
export function columnTypeOf(column: ast.Column): ColumnType | undefined {
  const { type } = column;
  if (ast.isClassType(type)) {
    if (type.count !== undefined) return labelsOf(type).length > 0 ? { kind: 'class', count: type.count } : undefined;
    return type.labels.length > 0 ? { kind: 'class', labels: [...type.labels] } : undefined;
  }
  if (!ast.isNamedType(type)) return undefined;
  const name = type.type?.ref?.name;
  const shape = shapeOfType(type);
  if (shape === undefined) return undefined;
  switch (name) {
    case 'float':
    case 'int':
    case 'bool':
      return { kind: name, shape };
    case 'text':
      return shape.length === 0 ? { kind: 'text' } : undefined;
    case 'image': {
      const [height, width, channels] = shape;
      if (height === undefined || width === undefined || channels === undefined || shape.length !== 3) return undefined;
      return channels === 1 || channels === 3 || channels === 4
        ? { kind: 'image', shape: [height, width, channels] }
        : undefined;
    }
    default:
      return undefined;
  }
}

export function columnPlanOf(column: ast.Column): ColumnPlan | undefined {
  const type = columnTypeOf(column);
  if (type === undefined) return undefined;
  const domain = evaluate(column.domain);
  if (domain?.kind !== 'range') return { name: column.name, type };
  // JSON has no infinity: without an upper bound it is the largest number there is.
  return { name: column.name, type, range: { lower: domain.lower, upper: Math.min(domain.upper, Number.MAX_VALUE) } };
}

/** How many classes a column tells apart: 2 for yes and no; `undefined` for a column of something else. */
export function classesOf(type: ColumnType): number | undefined {
  if (type.kind === 'class') return type.count ?? type.labels?.length;
  return type.kind === 'bool' && type.shape.length === 0 ? 2 : undefined;
}

/** The names of a column's classes. */
export function classNamesOf(type: ColumnType): string[] {
  if (type.kind === 'class') return type.labels ?? Array.from({ length: type.count ?? 0 }, (_, index) => String(index));
  return type.kind === 'bool' && type.shape.length === 0 ? ['false', 'true'] : [];
}

/** What a model sees of a column when it sees nothing else; a class one-hot. `undefined` for texts. */
export function inputShapeOf(type: ColumnType): number[] | undefined {
  switch (type.kind) {
    case 'text':
      return undefined;
    case 'class':
      return [type.count ?? type.labels?.length ?? 0];
    default:
      return type.shape.length === 0 ? [1] : [...type.shape];
  }
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}

export function columnNamed(data: ast.Data | undefined, name: string): ast.Column | undefined {
  return columnsOf(data).find((column) => column.name === name);
}

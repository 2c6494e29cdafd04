/** A data set in memory: typed columns, as large as its tensors and not larger. */
import type { ColumnPlan } from '../../grammar/plan/plan.ts';

export interface Dataset {
  rows: number;
  /** By the schema's column name. */
  columns: Record<string, Column>;
}

export interface Column {
  plan: ColumnPlan;
  /**
   * Numbers of a row side by side: rows × the product of the shape. `class` columns hold one class index a row; `text`
   * columns have no values but `texts`.
   */
  values: Float32Array;
  texts?: string[];
  /** The labels of a class column, by index. */
  labels?: string[];
}

/** What a training reads: inputs flattened and joined, targets as numbers. */
export interface Tensors {
  rows: number;
  /** rows × the product of `inputShape`. */
  inputs: Float32Array;
  inputShape: number[];
  /** Class indices, or the numbers to predict: rows × `targetWidth`. */
  targets: Float32Array;
  /** Numbers of one row's target as they stand in `targets`: 1 for a class. */
  targetWidth: number;
  /** Present where the target is a class. */
  labels?: string[];
}

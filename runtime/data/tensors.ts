/** From columns to what a training reads: inputs flattened and joined, targets as numbers. */
import { MlpipeError } from '../errors.ts';
import type { Column, Dataset, Tensors } from './dataset.ts';
import { NumberSummary } from './statistics.ts';

/**
 * Lays the chosen rows out for an engine.
 *
 * Several inputs stand side by side in the order of `inputs`; a class among them is one-hot over its labels; the numbers
 * of a wider column or a picture come row-major.
 *
 * @param rows row numbers, in the order in which they are wanted
 * @param inputShape the model's input without the batch dimension; its product must be the inputs' width
 * @throws MlpipeError `data-shape` where the two do not agree, `data-column` where a column cannot be used so
 */
export function tensors(
  dataset: Dataset,
  rows: Uint32Array,
  inputs: string[],
  target: string,
  inputShape: number[],
): Tensors {
  const columns = inputs.map((name) => numericColumn(dataset, name));
  const widths = columns.map((column) => inputWidth(column, dataset.rows));
  const width = widths.reduce((sum, one) => sum + one, 0);
  const expected = inputShape.reduce((product, size) => product * size, 1);
  if (width !== expected)
    throw new MlpipeError(
      `The inputs ${inputs.join(', ')} have ${width} numbers a row, the model takes ${inputShape.join(' × ')}.`,
      { code: 'data-shape', todo: 'Let the model take the columns as the schema has them.' },
    );

  const values = new Float32Array(rows.length * width);
  let offset = 0;
  for (const [index, column] of columns.entries()) {
    const columnWidth = widths[index] ?? 0;
    if (column.labels === undefined) copyRows(column.values, rows, columnWidth, values, width, offset);
    else oneHotRows(column.values, rows, values, width, offset);
    offset += columnWidth;
  }

  const targetColumn = numericColumn(dataset, target);
  const targetWidth = dataset.rows === 0 ? 1 : targetColumn.values.length / dataset.rows;
  const targets = new Float32Array(rows.length * targetWidth);
  copyRows(targetColumn.values, rows, targetWidth, targets, targetWidth, 0);
  return {
    rows: rows.length,
    inputs: values,
    inputShape,
    targets,
    targetWidth,
    ...(targetColumn.labels === undefined ? {} : { labels: targetColumn.labels }),
  };
}

/** Every row of a data set, in order. */
export function allRows(dataset: Dataset): Uint32Array {
  return Uint32Array.from({ length: dataset.rows }, (_, row) => row);
}

/**
 * Mean and standard deviation (n − 1) of each number of an input row, for `normalization`.
 *
 * @returns two arrays of the inputs' width
 */
export function featureStatistics(data: Pick<Tensors, 'rows' | 'inputs' | 'inputShape'>): {
  mean: Float32Array;
  standardDeviation: Float32Array;
} {
  const width = data.inputShape.reduce((product, size) => product * size, 1);
  const mean = new Float32Array(width);
  const standardDeviation = new Float32Array(width);
  for (let feature = 0; feature < width; feature++) {
    const summary = new NumberSummary();
    summary.add(data.inputs, feature, data.rows * width, width);
    mean[feature] = summary.mean;
    standardDeviation[feature] = summary.standardDeviation;
  }
  return { mean, standardDeviation };
}

function numericColumn(dataset: Dataset, name: string): Column {
  const column = dataset.columns[name];
  if (column === undefined)
    throw new MlpipeError(`The column "${name}" was not read.`, {
      code: 'data-column',
      todo: `Add ${name} to the schema.`,
    });
  if (column.texts !== undefined)
    throw new MlpipeError(`The column "${name}" is text; a model takes numbers and classes.`, {
      code: 'data-column',
      todo: `Declare ${name} as class(…), or leave it out of the model.`,
    });
  return column;
}

function inputWidth(column: Column, rows: number): number {
  if (column.labels !== undefined) return column.labels.length;
  return rows === 0 ? 1 : column.values.length / rows;
}

function copyRows(
  from: Float32Array,
  rows: Uint32Array,
  width: number,
  to: Float32Array,
  stride: number,
  offset: number,
): void {
  for (let index = 0; index < rows.length; index++) {
    const source = (rows[index] as number) * width; // in range by the loop's bound
    const destination = index * stride + offset;
    for (let number = 0; number < width; number++) to[destination + number] = from[source + number] as number;
  }
}

function oneHotRows(from: Float32Array, rows: Uint32Array, to: Float32Array, stride: number, offset: number): void {
  for (let index = 0; index < rows.length; index++)
    to[index * stride + offset + (from[rows[index] as number] as number)] = 1; // row numbers are of this data set
}

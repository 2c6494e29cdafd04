/** Shapes through a model: what each layer sees, gives and holds. */
import * as ast from '../generated/ast.ts';
import type { ColumnType, PlanValue } from '../plan/plan.ts';
import { dataOf, targetOf } from '../scoping/targets.ts';
import { plainArgumentValues } from './arguments.ts';
import { classesOf, columnTypeOf, inputShapeOf, sizeOf } from './columns.ts';
import { type Bindings, NO_BINDINGS } from './evaluate.ts';
import { adaptedInput, shapeOfLayer } from './layers.ts';

export interface LayerInfo {
  call: ast.LayerCall;
  layer: string;
  /** Every parameter, defaults filled in. */
  arguments: Record<string, PlanValue>;
  /** What the layer before gives. */
  given: number[];
  /** What this layer sees of it: with a channel where it wants one and there is none. */
  input: number[];
  output: number[];
  parameterCount: number;
}

/** A layer that cannot take what the one before it gives. */
export interface ShapeProblem {
  call: ast.LayerCall;
  layer: string;
  given: number[];
  wants: string;
}

export interface ModelInfo {
  model: ast.Model;
  /** The data set that the inputs are columns of. */
  data?: ast.Data;
  inputs: { column: ast.Column; type: ColumnType }[];
  inputShape?: number[];
  /** As far as the shapes are known: up to the first problem, or the first call that is wrong in itself. */
  layers: LayerInfo[];
  problem?: ShapeProblem;
  /** Of the last layer, where every layer is known. */
  outputShape?: number[];
  parameterCount: number;
}

/** Infers every shape of a model, as far as that can be done. */
export function inferModel(model: ast.Model, bindings: Bindings = NO_BINDINGS): ModelInfo {
  const sources = model.facts.filter(ast.isInputFact).flatMap(({ sources }) => sources);
  const inputs = sources.flatMap((source) => {
    const column = targetOf(source);
    const type = ast.isColumn(column) ? columnTypeOf(column) : undefined;
    return ast.isColumn(column) && type !== undefined ? [{ column, type }] : [];
  });
  const data = dataOf(sources[0]);
  const info: ModelInfo = { model, inputs, layers: [], parameterCount: 0 };
  if (data !== undefined) info.data = data;
  if (inputs.length !== sources.length) return info;
  const inputShape = joinedShape(inputs.map(({ type }) => type));
  if (inputShape === undefined) return info;
  info.inputShape = inputShape;
  return throughLayers(info, inputShape, bindings);
}

/** One column keeps its shape; several are flattened and joined, classes one-hot. `undefined` where one is a text. */
export function joinedShape(types: readonly ColumnType[]): number[] | undefined {
  const shapes = types.map(inputShapeOf);
  const [first] = shapes;
  if (first === undefined || !shapes.every((shape) => shape !== undefined)) return undefined;
  return shapes.length === 1 ? first : [shapes.reduce((width, shape) => width + sizeOf(shape), 0)];
}

function throughLayers(info: ModelInfo, inputShape: number[], bindings: Bindings): ModelInfo {
  let given = inputShape;
  for (const call of info.model.facts.filter(ast.isLayerCall)) {
    const callee = call.callee?.ref;
    const values = callee && plainArgumentValues(call.arguments, callee, bindings);
    if (callee === undefined || values === undefined) return info;
    const input = adaptedInput(callee.name, given);
    const shape = shapeOfLayer(callee.name, input, values);
    if (shape === undefined) return info;
    if ('wants' in shape) return { ...info, problem: { call, layer: callee.name, given, wants: shape.wants } };
    info.layers.push({
      call,
      layer: callee.name,
      arguments: values,
      given,
      input,
      output: shape.output,
      parameterCount: shape.parameters,
    });
    info.parameterCount += shape.parameters;
    given = shape.output;
  }
  return info.layers.length === 0 ? info : { ...info, outputShape: given };
}

/** Numbers that a model must give for one row of a target: one a class, or the column's own. */
export function outputSizesFor(type: ColumnType): number[] {
  const classes = classesOf(type);
  if (classes === 2) return [2, 1];
  if (classes !== undefined) return [classes];
  const shape = inputShapeOf(type);
  return shape === undefined ? [] : [sizeOf(shape)];
}

/** Reads the arguments of a layer, loss, optimizer or schedule out of a plan, in which every default is filled in. */
import type { PlanValue } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';

export interface Arguments {
  number(name: string): number;
  /** One number given for both is understood as both. */
  pair(name: string): [number, number];
  list(name: string): number[];
  flag(name: string): boolean;
  word(name: string): string;
}

/** @param owner what the arguments belong to, for messages: `dense` */
export function argumentsOf(owner: string, values: Record<string, PlanValue>): Arguments {
  function value(name: string, wanted: string): PlanValue {
    const found = values[name];
    if (found === undefined) throw broken(owner, name, wanted, 'nothing');
    return found;
  }
  function number(name: string): number {
    const found = value(name, 'a number');
    if (typeof found !== 'number' || !Number.isFinite(found)) throw broken(owner, name, 'a number', String(found));
    return found;
  }
  function list(name: string): number[] {
    const found = value(name, 'a list of numbers');
    const items = Array.isArray(found) ? found : [found];
    if (!items.every((item) => typeof item === 'number')) throw broken(owner, name, 'a list of numbers', String(found));
    return items;
  }
  return {
    number,
    list,
    pair(name) {
      const [first, second = first, ...more] = list(name);
      if (first === undefined || second === undefined || more.length > 0) {
        throw broken(owner, name, 'one number or two', String(values[name]));
      }
      return [first, second];
    },
    flag(name) {
      const found = value(name, 'true or false');
      if (typeof found !== 'boolean') throw broken(owner, name, 'true or false', String(found));
      return found;
    },
    word(name) {
      const found = value(name, 'a word');
      if (typeof found !== 'string') throw broken(owner, name, 'a word', String(found));
      return found;
    },
  };
}

function broken(owner: string, name: string, wanted: string, found: string): MlpipeError {
  return new MlpipeError(`The argument ${name} of ${owner} must be ${wanted}; the plan has ${found}.`, {
    code: 'plan-broken',
    todo: 'Run `mlpipe check`. If it finds nothing, the plan was made by another version of mlpipe.',
  });
}

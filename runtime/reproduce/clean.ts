/** The world of a clean place: its own store and ledger, and what the project retains of environments. */
import type { Plan } from '../../grammar/plan/plan.ts';
import { worldOf } from '../context.ts';
import { retainedFirstBy } from '../environment/retained.ts';
import type { World } from '../execute/world.ts';
import type { StoredRecord } from '../ledger/record.ts';
import type { Project } from '../project.ts';

/** @param behind the records that are made again: what they retain is taken first */
export function cleanWorld(project: Project, place: Project, behind: readonly StoredRecord[]): World {
  const records = behind.map(({ record }) => record);
  return { ...worldOf(place), retained: retainedFirstBy(records, worldOf(project, { supply: true }).retained) };
}

/** A clean place goes away again: what was retained there would be lost, and time with it. */
export function withoutRetain(plan: Plan): Plan {
  const environments = Object.entries(plan.environments).map(([name, { retain: _, ...environment }]) => [
    name,
    environment,
  ]);
  return { ...plan, environments: Object.fromEntries(environments) };
}

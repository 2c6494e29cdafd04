/** The world as the runtime finds it. Loaded when it is first asked for something: the first diagnostics need none of it. */
import { NO_FACTS } from '../../grammar/rules/facts.ts';
import type { World } from './world.ts';

export function runtimeWorld(): World {
  return { gather: async () => NO_FACTS, watch: () => ({ dispose() {} }) };
}

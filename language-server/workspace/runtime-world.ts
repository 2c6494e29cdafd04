/** The world as the runtime finds it. Loaded when it is first asked for something: the first diagnostics need none of it. */
import type { World } from './world.ts';

export function runtimeWorld(): World {
  return { facts: undefined };
}

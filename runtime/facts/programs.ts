/** Where the programs lie that steps begin with. */
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Plan } from '../../grammar/plan/plan.ts';

/** Words that a shell knows itself. */
const SHELL_WORDS = new Set(['cd', 'echo', 'exit', 'export', 'set', 'test', 'true', 'false', 'printf', '.', ':', '[']);

/**
 * Looks for the first word of each program step on the search path; a path, a word of the shell and a word that is not
 * known before the run are left out.
 */
export function programsOf(plan: Plan, folder: string, environment: NodeJS.ProcessEnv): Record<string, string | null> {
  const programs: Record<string, string | null> = {};
  for (const step of Object.values(plan.steps)) {
    const first = step.kind === 'program' ? step.command[0] : undefined;
    const word = first?.kind === 'text' ? /^\s*([\w.+-]+)(?=\s|$)/.exec(first.text)?.[1] : undefined;
    if (word === undefined || SHELL_WORDS.has(word)) continue;
    programs[word] ??= findProgram(word, folder, environment);
  }
  return programs;
}

/** The first file of that name on the search path that can be executed. */
export function findProgram(name: string, folder: string, environment: NodeJS.ProcessEnv): string | null {
  const path = environment.PATH ?? environment.Path ?? '';
  const endings = process.platform === 'win32' ? (environment.PATHEXT ?? '.EXE;.CMD;.BAT').split(';') : [''];
  for (const place of [join(folder, 'node_modules', '.bin'), ...path.split(delimiter)]) {
    if (place === '') continue;
    for (const ending of endings) {
      const candidate = join(place, name + ending);
      try {
        accessSync(candidate, constants.X_OK);
        if (statSync(candidate).isFile()) return candidate;
      } catch {
        // Not here; the next place may have it.
      }
    }
  }
  return null;
}

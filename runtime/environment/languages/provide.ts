/** Interpreters and packages that an environment pins, made to be there: only a step that really runs asks for this. */
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { Retention } from '../retained.ts';
import { userCache } from '../user-cache.ts';
import type { BuildOptions } from './built.ts';

export interface LanguageNeed {
  language: 'node' | 'python';
  /** Exact. */
  version: string;
  /** On this machine in just this version; nothing where it has to be provided. */
  program?: string;
  /** The versions that this machine has, for the error that says so. */
  here: string[];
  lock?: { /** Absolute. */ file: string; digest: Digest };
}

export interface ProvidedLanguage {
  /** In front of the search path, the first first. */
  searchPath: string[];
  variables: Record<string, string>;
  /** A folder of Node packages to be found beside the program. */
  modules?: string;
  /** What was provided, for the record. */
  evidence: Record<string, unknown>;
}

export interface ProvideOptions extends BuildOptions {
  cache?: string;
  /** What the store has of it, and what is to be kept. */
  retention: Retention;
  /** What is being done: `providing Python 3.11.9 with requirements.txt`. */
  onStart?: (phase: string) => void;
}

/** @throws MlpipeError as `provideNode` and `providePython` */
export async function provideLanguages(
  needs: readonly LanguageNeed[],
  options: ProvideOptions,
): Promise<ProvidedLanguage> {
  const all: ProvidedLanguage = { searchPath: [], variables: {}, evidence: {} };
  const cache = options.cache ?? userCache();
  for (const need of needs) {
    if (need.program === undefined || need.lock !== undefined) {
      options.onStart?.(`providing ${need.language} ${need.version}`);
    }
    const one =
      need.language === 'node'
        ? await (await import('./node.ts')).provideNode(need, cache, options)
        : await (await import('./python.ts')).providePython(need, cache, options);
    all.searchPath.push(...one.searchPath);
    Object.assign(all.variables, one.variables);
    Object.assign(all.evidence, one.evidence);
    if (one.modules !== undefined) all.modules = one.modules;
  }
  return all;
}

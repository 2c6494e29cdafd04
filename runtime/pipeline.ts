/** From a file to its plan: the part of the runtime that needs the language. Loaded when it is needed, for it is large. */
import fs from 'node:fs';
import { URI } from 'langium';
import * as ast from '../grammar/generated/ast.ts';
import { loadPipeline } from '../grammar/load.ts';
import { createMlpipeServices, type MlpipeServices } from '../grammar/module.ts';
import { digestOf } from '../grammar/plan/canonical.ts';
import { filesOf, LowerError, lower, lowerWhatIsWhole } from '../grammar/plan/lower.ts';
import type { Digest, Plan } from '../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from './errors.ts';
import { readPipelineText } from './project.ts';

export interface LoadedPipeline {
  file: string;
  services: MlpipeServices;
  document: Awaited<ReturnType<typeof loadPipeline>> & object;
}

/** Reads and links a pipeline with all that it imports. */
export async function loadFile(file: string): Promise<LoadedPipeline> {
  const text = readPipelineText(file);
  const { mlpipe } = createMlpipeServices();
  const document = await loadPipeline(mlpipe, URI.file(file), (uri) => {
    try {
      return uri.fsPath === file ? text : fs.readFileSync(uri.fsPath, 'utf8');
    } catch {
      // An import that is not there is reported where it stands.
      return undefined;
    }
  });
  if (!document || !ast.isFile(document.parseResult.value)) {
    throw new MlpipeError(`${file} cannot be read.`, { code: 'file-missing', exit: EXIT.usage });
  }
  return { file, services: mlpipe, document };
}

/**
 * The plan of a pipeline that may run, and the digests of all files that it came from, by absolute path.
 *
 * @throws MlpipeError `pipeline-errors`, `parameter-wrong`
 */
export function planOf(
  loaded: LoadedPipeline,
  parameters: Readonly<Record<string, string>> = {},
): { plan: Plan; sources: Record<string, Digest> } {
  const plan = lowered(loaded, parameters);
  const sources = Object.fromEntries(
    filesOf(loaded.document).map(({ uri, textDocument }) => [uri.fsPath, digestOf(textDocument.getText())]),
  );
  return { plan, sources };
}

/** A file with errors must not run: its plan would say less than its text. */
function lowered(loaded: LoadedPipeline, parameters: Readonly<Record<string, string>>): Plan {
  try {
    return lower(loaded.document, { parameters });
  } catch (error) {
    if (!(error instanceof LowerError)) throw error;
    const [first, ...others] = error.problems;
    if (error.reason === 'parameters') {
      throw new MlpipeError(error.message, {
        code: 'parameter-wrong',
        todo: 'Correct what follows -S, or leave it out: the value in the file then holds.',
        exit: EXIT.usage,
        cause: error,
      });
    }
    const more =
      others.length === 0
        ? ''
        : ` There ${others.length === 1 ? 'is 1 more error' : `are ${others.length} more errors`}.`;
    throw new MlpipeError(`${first?.message ?? error.message}${more}`, {
      code: 'pipeline-errors',
      todo: 'Run `mlpipe check` to see everything that is wrong.',
      ...(first?.where === undefined ? {} : { where: first.where }),
      cause: error,
    });
  }
}

/** As much of a plan as the file allows. */
export function partialPlan(loaded: LoadedPipeline): Plan {
  return lowerWhatIsWhole(loaded.document).plan;
}

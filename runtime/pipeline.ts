/** From a file to its plan: the part of the runtime that needs the language. Loaded when it is needed, for it is large. */
import fs from 'node:fs';
import { basename } from 'node:path';
import { URI } from 'langium';
import * as ast from '../grammar/generated/ast.ts';
import { loadPipeline } from '../grammar/load.ts';
import { createMlpipeServices, type MlpipeServices } from '../grammar/module.ts';
import { digestOf } from '../grammar/plan/canonical.ts';
import { filesOf, lowerWhatIsWhole } from '../grammar/plan/lower.ts';
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
  const { plan, problems, wrongParameters } = lowerWhatIsWhole(loaded.document, { parameters });
  const [wrong] = wrongParameters;
  if (wrong) {
    throw new MlpipeError(wrong.message, {
      code: 'parameter-wrong',
      todo: 'Correct what follows -S, or leave it out: the value in the file then holds.',
      exit: EXIT.usage,
    });
  }
  refuseWhatIsNotRead(loaded);
  const [problem] = problems;
  if (problem) {
    throw new MlpipeError(problem.message, {
      code: 'pipeline-errors',
      todo: 'Run `mlpipe check` to see everything that is wrong.',
      ...(problem.where === undefined ? {} : { where: problem.where }),
    });
  }
  const sources = Object.fromEntries(
    filesOf(loaded.document).map(({ uri, textDocument }) => [uri.fsPath, digestOf(textDocument.getText())]),
  );
  return { plan, sources };
}

/** A text that was only partly understood has a plan that says less than the text: it must not run as if it were all. */
function refuseWhatIsNotRead({ file, document }: LoadedPipeline): void {
  const { lexerErrors, parserErrors } = document.parseResult;
  const [unread] = lexerErrors;
  const [misplaced] = parserErrors;
  if (unread === undefined && misplaced === undefined) return;
  const token = misplaced?.token;
  const line = unread?.line ?? token?.startLine;
  const column = unread?.column ?? token?.startColumn;
  throw new MlpipeError(unread?.message ?? misplaced?.message ?? 'The file cannot be read.', {
    code: 'pipeline-errors',
    todo: 'Run `mlpipe check` to see everything that is wrong.',
    where: {
      file: basename(file),
      // At the end of a file there is no token that has a place.
      line: Number.isFinite(line) ? (line ?? 1) : document.textDocument.lineCount,
      column: Number.isFinite(column) ? (column ?? 1) : 1,
    },
  });
}

/** As much of a plan as the file allows. */
export function partialPlan(loaded: LoadedPipeline): Plan {
  return lowerWhatIsWhole(loaded.document).plan;
}

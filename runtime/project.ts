/** A project: the folder that holds `.mlpipe`, with its store and its ledger. */
import { isUtf8 } from 'node:buffer';
import fs from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { URI } from 'langium';
import * as ast from '../grammar/generated/ast.ts';
import { loadPipeline } from '../grammar/load.ts';
import { createMlpipeServices, type MlpipeServices } from '../grammar/module.ts';
import { digestOf } from '../grammar/plan/canonical.ts';
import { lowerWhatIsWhole } from '../grammar/plan/lower.ts';
import type { Plan } from '../grammar/plan/plan.ts';
import { resolveEnvironment } from './environment/resolve.ts';
import { EXIT, MlpipeError } from './errors.ts';
import { digestSource } from './execute/inputs.ts';
import type { PipelineContext, World } from './execute/world.ts';
import { type Ledger, openLedger } from './ledger/ledger.ts';
import { codeState, who } from './ledger/provenance.ts';
import { openStore } from './store/open.ts';
import type { Store } from './store/store.ts';

export interface Project {
  root: string;
  store: Store;
  ledger: Ledger;
  close(): void;
}

/** The root of the project that a folder belongs to: where `.mlpipe` is, else the repository's, else the folder. */
export function rootOf(folder: string): string {
  let repository: string | undefined;
  for (let at = resolve(folder); ; at = dirname(at)) {
    if (fs.existsSync(join(at, '.mlpipe', 'format'))) return at;
    if (repository === undefined && fs.existsSync(join(at, '.git'))) repository = at;
    if (dirname(at) === at) return repository ?? resolve(folder);
  }
}

export function openProject(folder: string, warn: (message: string) => void = () => undefined): Project {
  const root = rootOf(folder);
  const store = openStore(join(root, '.mlpipe'));
  let ledger: Ledger | undefined;
  return {
    root,
    store,
    // Opened when it is first asked for: `check` and `fmt` need none.
    get ledger() {
      ledger ??= openLedger(join(root, '.mlpipe'), { warn });
      return ledger;
    },
    close() {
      store.close();
      ledger?.close();
    },
  };
}

/**
 * The pipeline that is meant: the file, or the only one in a folder.
 *
 * @throws MlpipeError `file-missing`, `file-ambiguous`
 */
export function pipelineFile(folder: string, name?: string): string {
  if (name !== undefined) {
    const path = resolve(folder, name);
    const stats = statusOf(path);
    if (stats?.isDirectory()) return pipelineFile(path);
    if (stats) return path;
    throw new MlpipeError(`There is no file ${name}.`, {
      code: 'file-missing',
      todo: 'Check the spelling.',
      exit: EXIT.usage,
    });
  }
  const found = pipelinesIn(folder);
  const [only] = found;
  if (found.length === 1 && only) return join(resolve(folder), only);
  throw found.length === 0
    ? new MlpipeError(`There is no pipeline in ${folder}.`, {
        code: 'file-missing',
        todo: 'Name a `.mlpipe` file, choose another folder with -C, or write one with `mlpipe init`.',
        exit: EXIT.usage,
      })
    : new MlpipeError(`There are ${found.length} pipelines in ${folder}: ${found.join(', ')}.`, {
        code: 'file-ambiguous',
        todo: 'Name the one that is meant.',
        exit: EXIT.usage,
      });
}

/**
 * The text of a pipeline.
 *
 * @throws MlpipeError `file-missing`, `file-not-text`
 */
export function readPipelineText(file: string): string {
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file);
  } catch (cause) {
    throw new MlpipeError(`${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`, {
      code: 'file-missing',
      todo: 'Check that the file is there and that you may read it.',
      exit: EXIT.usage,
      cause,
    });
  }
  // What is no text would be reported character by character, and formatting would destroy it.
  if (bytes.includes(0) || !isUtf8(bytes)) {
    throw new MlpipeError(`${file} is not a text in UTF-8.`, {
      code: 'file-not-text',
      todo: 'Name a `.mlpipe` file, or save it as UTF-8.',
      exit: EXIT.usage,
    });
  }
  return bytes.toString('utf8');
}

export interface LoadedPipeline {
  file: string;
  services: MlpipeServices;
  document: Awaited<ReturnType<typeof loadPipeline>> & object;
}

/** The names of the pipelines that lie directly in a folder. */
export function pipelinesIn(folder: string): string[] {
  return statusOf(folder)?.isDirectory()
    ? fs
        .readdirSync(folder)
        .filter((each) => each.endsWith('.mlpipe') && each !== '.mlpipe')
        .sort()
    : [];
}

/** `undefined` where nothing is, and below a file. */
function statusOf(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
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
 * A pipeline ready to run.
 *
 * @throws MlpipeError `pipeline-errors`, `parameter-wrong`
 */
export function contextOf(
  project: Project,
  loaded: LoadedPipeline,
  parameters: Readonly<Record<string, string>> = {},
): PipelineContext {
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
  return { world: worldOf(project), plan, file: loaded.file, digest: digestOf(loaded.document.textDocument.getText()) };
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

function worldOf(project: Project): World {
  const { root, store } = project;
  return {
    root,
    store,
    ledger: project.ledger,
    code: () => codeState(root, store),
    who: () => who(root),
    environment: (plan, name, folder) =>
      resolveEnvironment(name === undefined ? undefined : plan.environments[name], {
        folder,
        digest: async (path) => (await digestSource(store, path)).digest,
      }),
  };
}

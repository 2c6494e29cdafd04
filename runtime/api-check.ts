/** The part of the façade that looks at a pipeline as it is written: diagnostics, what the world says, pins. */
import fs from 'node:fs';
import { dirname, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Finding } from '../grammar/check.ts';
import { digestOf } from '../grammar/plan/canonical.ts';
import type { Plan } from '../grammar/plan/plan.ts';
import type { Facts } from '../grammar/rules/facts.ts';
import { worldOf } from './context.ts';
import { rememberedDecay } from './decay/remember.ts';
import { listEngines } from './engines/index.ts';
import { probe } from './environment/probe.ts';
import { EXIT, MlpipeError } from './errors.ts';
import { digestSource } from './execute/inputs.ts';
import { statusOf } from './execute/status.ts';
import { gatherFacts } from './facts/gather.ts';
import type { LoadedPipeline } from './pipeline.ts';
import { type Project, writePipelineText } from './project.ts';
import type { StatusAnswer } from './rpc/protocol.ts';
import { knowledgeOf } from './share/known.ts';

/** The language is large and not everybody needs it. */
const pipeline = () => import('./pipeline.ts');

/** Every diagnostic that the editor would show for a file, the world's included. */
export async function check(project: Project, file: string): Promise<Finding[]> {
  const [{ loadFile }, { checkDocument }] = await Promise.all([pipeline(), import('../grammar/check.ts')]);
  const loaded = await loadFile(file);
  return checkDocument(loaded.services, loaded.document, await factsOf(project, loaded));
}

/** What the world says about a pipeline. */
export async function facts(
  project: Project,
  file: string,
  options: { trusted?: boolean; signal?: AbortSignal } = {},
): Promise<Facts> {
  const { loadFile } = await pipeline();
  return factsOf(project, await loadFile(file), options);
}

/** What the world says about a document that is open in an editor. */
export async function factsOf(
  project: Project,
  loaded: Pick<LoadedPipeline, 'document'>,
  options: { trusted?: boolean; signal?: AbortSignal } = {},
): Promise<Facts> {
  const { partialPlan, planOf } = await pipeline();
  const trusted = options.trusted ?? true;
  // The document is of this language, whoever loaded it.
  const whole = partialPlan(loaded as LoadedPipeline);
  const file = loaded.document.uri.fsPath;
  const remote = knowledgeOf(project.root, project.store.folder);
  return gatherFacts(whole, dirname(file), {
    digest: (path) => digestSource(project.store, path),
    inStore: (digest) => project.store.has(digest),
    ...(remote === undefined ? {} : { remote }),
    decay: () => rememberedDecay(project, file),
    cache: `${project.store.folder}${sep}cache${sep}tables`,
    engines: listEngines,
    machine: () => probe({ execute: trusted }),
    runs: async () =>
      withReasons(lastRuns(project, file, whole), trusted, async () => {
        // As it stands in the editor, saved or not.
        const { plan } = planOf({ ...loaded, file } as LoadedPipeline);
        const digest = digestOf(loaded.document.textDocument.getText());
        return statusOf({ world: worldOf(project), plan, file, digest });
      }),
    trusted,
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

/** Adds whether each step would run again, and why. That may ask git and interpreters, so only where it is trusted. */
async function withReasons(
  runs: Facts['runs'],
  trusted: boolean,
  status: () => Promise<StatusAnswer>,
): Promise<Facts['runs']> {
  if (!trusted || Object.keys(runs).length === 0) return runs;
  try {
    for (const { step, state, reason } of (await status()).steps) {
      const run = runs[step];
      if (run !== undefined) runs[step] = { ...run, state, reason };
    }
  } catch (error) {
    // A pipeline with errors has no status; the errors are told where they stand.
    if (!(error instanceof MlpipeError)) throw error;
  }
  return runs;
}

/** An earlier run with another key is looked for among so many: these are read at every look at the world. */
const REMEMBERED_RUNS = 8;

function lastRuns(project: Project, file: string, whole: Plan): Facts['runs'] {
  const path = relative(project.root, file).replaceAll('\\', '/');
  const runs: Facts['runs'] = {};
  for (const step of Object.keys(whole.steps)) {
    const [stored, ...earlier] = project.ledger.list({ file: path, step }, REMEMBERED_RUNS);
    if (!stored) continue;
    const { record, digest } = stored;
    const previous = earlier.find((each) => each.record.key !== record.key);
    runs[step] = {
      ended: record.when.ended,
      status: record.exit.status,
      metrics: record.metrics,
      undeclaredReads: record.undeclaredReads,
      record: digest,
      ...(previous === undefined ? {} : { previous: previous.digest }),
    };
  }
  return runs;
}

export interface WrittenPin {
  name: string;
  /** Relative to the pipeline's folder. */
  file: string;
  before: string | null;
  after: string;
}

/** Writes the digests of data and lock files, as they are now, into the source. */
export async function pin(
  project: Project,
  file: string,
  options: { names?: string[]; update?: boolean } = {},
): Promise<WrittenPin[]> {
  const [{ loadFile, partialPlan }, { applyEdits, pinsOf }] = await Promise.all([
    pipeline(),
    import('./facts/pins.ts'),
  ]);
  const loaded = await loadFile(file);
  const whole = partialPlan(loaded);
  refuseUnknownNames(whole, options.names ?? []);
  const edits = await pinsOf(loaded.document, whole, {
    digest: (path) => digestSource(project.store, path),
    ...(options.names && options.names.length > 0 ? { names: options.names } : {}),
    update: options.update ?? false,
  });
  for (const uri of new Set(edits.map((edit) => edit.uri))) {
    const path = fileURLToPath(uri);
    const text = applyEdits(
      fs.readFileSync(path, 'utf8'),
      edits.filter((edit) => edit.uri === uri),
    );
    writePipelineText(path, text);
  }
  return edits.map(({ name, file: source, before, after }) => ({ name, file: source, before, after }));
}

function refuseUnknownNames(whole: Plan, names: readonly string[]): void {
  const known = [...Object.keys(whole.data), ...Object.keys(whole.environments)];
  const unknown = names.find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new MlpipeError(`There is no data and no environment ${unknown} in ${whole.pipeline}.`, {
    code: 'name-unknown',
    todo: known.length === 0 ? 'Leave the name out.' : `Name one of ${known.join(', ')}.`,
    exit: EXIT.usage,
  });
}

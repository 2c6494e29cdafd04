/** Plans that were made before, so that asking for the state of an unchanged pipeline needs no parser. */
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { canonicalJson, digestOf } from '../grammar/plan/canonical.ts';
import { type Digest, PLAN_FORMAT, type Plan } from '../grammar/plan/plan.ts';

interface Remembered {
  /** What wrote it: another build may make another plan of the same text. */
  build: string;
  /** By absolute path: the pipeline and what it imports. */
  sources: Record<string, Digest>;
  plan: Plan;
}

/** The plan of a file whose text, imports and parameters are as they were. Anything doubtful is not known. */
export function rememberedPlan(
  store: string,
  file: string,
  parameters: Readonly<Record<string, string>>,
): Plan | undefined {
  const build = buildOf();
  if (build === undefined) return undefined;
  try {
    // Written by `rememberPlan` of this very build, and only then taken.
    const known = JSON.parse(fs.readFileSync(placeOf(store, file, parameters), 'utf8')) as Remembered;
    if (known.build !== build || known.plan.format !== PLAN_FORMAT) return undefined;
    const same = Object.entries(known.sources).every(
      ([path, digest]) => digestOf(fs.readFileSync(path, 'utf8')) === digest,
    );
    return same ? known.plan : undefined;
  } catch {
    // Not there, half written, or an import is gone: the plan is made anew.
    return undefined;
  }
}

/** Keeps a plan for the next time. That it cannot be kept (a read-only folder) changes nothing. */
export function rememberPlan(
  store: string,
  file: string,
  parameters: Readonly<Record<string, string>>,
  plan: Plan,
  sources: Record<string, Digest>,
): void {
  const build = buildOf();
  if (build === undefined) return;
  const place = placeOf(store, file, parameters);
  const temporary = `${place}.${process.pid}`;
  try {
    fs.mkdirSync(dirname(place), { recursive: true });
    fs.writeFileSync(temporary, JSON.stringify({ build, sources, plan } satisfies Remembered));
    fs.renameSync(temporary, place);
  } catch {
    fs.rmSync(temporary, { force: true });
  }
}

function placeOf(store: string, file: string, parameters: Readonly<Record<string, string>>): string {
  return join(store, 'cache', 'plans', `${digestOf(canonicalJson({ file, parameters })).slice(7, 39)}.json`);
}

/** Which bundle this is, or nothing where the sources run: while they change, no plan is worth keeping. */
function buildOf(): string | undefined {
  const here = fileURLToPath(import.meta.url);
  if (here.endsWith('.ts')) return undefined;
  const { size, mtimeMs } = fs.statSync(here);
  return `${process.env.MLPIPE_VERSION} ${size} ${mtimeMs}`;
}

/** What was imported, as a record: signed by who imported it, and plainly no run of mlpipe's. */
import { canonicalJson, digestOfValue } from '../../grammar/plan/canonical.ts';
import type { Digest, Plan, PlanValue } from '../../grammar/plan/plan.ts';
import { PLAN_FORMAT } from '../../grammar/plan/plan.ts';
import { worldOf } from '../context.ts';
import { where } from '../ledger/provenance.ts';
import {
  RECORD_FORMAT,
  type RecordedInput,
  type RecordedOutput,
  type RecordOrigin,
  type RunRecord,
} from '../ledger/record.ts';
import type { Project } from '../project.ts';

export interface ImportedRecord {
  /** What it is called here; `import:` comes in front, so that nobody takes it for a step that ran. */
  step: string;
  pipeline: RunRecord['pipeline'];
  origin: RecordOrigin;
  inputs: RecordedInput[];
  outputs: Record<string, RecordedOutput>;
  parameters: Record<string, PlanValue>;
  metrics: Record<string, number>;
}

/** Said wherever an imported record is shown. */
export function importReason({ tool, from }: Pick<RecordOrigin, 'tool' | 'from'>): string {
  return `imported from ${TOOL_NAMES[tool]} (${from}); mlpipe neither ran nor checked it`;
}

export const TOOL_NAMES: Record<RecordOrigin['tool'], string> = { dvc: 'DVC', mlflow: 'MLflow' };

/** Writes records of one import, each under the same run's name. The objects that they name are stored before. */
export class ImportWriter {
  readonly #project: Project;
  readonly #run: string;
  readonly #who: RunRecord['who'];

  private constructor(project: Project, run: string, who: RunRecord['who']) {
    this.#project = project;
    this.#run = run;
    this.#who = who;
  }

  static async begin(project: Project): Promise<ImportWriter> {
    return new ImportWriter(project, project.ledger.newRunName(), await worldOf(project).who());
  }

  async append(imported: ImportedRecord): Promise<Digest> {
    const { store, ledger } = this.#project;
    const { origin, inputs, outputs } = imported;
    const keyed = { imported: origin.tool, id: origin.id, from: origin.from, evidence: origin.evidence };
    const identity = { imported: origin.tool };
    const now = new Date().toISOString();
    return ledger.append({
      format: RECORD_FORMAT,
      run: this.#run,
      step: `import:${imported.step}`,
      kind: 'import',
      pipeline: imported.pipeline,
      // No step ever has such a key, so that no run takes an import for its result.
      key: digestOfValue(keyed),
      keyParts: (await store.putBytes(canonicalJson(keyed))).digest,
      reason: importReason(origin),
      plan: (await store.putBytes(canonicalJson(nothingPlanned(imported.pipeline.name)))).digest,
      who: this.#who,
      where: where(),
      when: { started: now, ended: now, seconds: 0 },
      code: null,
      inputs,
      parameters: imported.parameters,
      environment: { name: null, identity, fingerprint: digestOfValue(identity), evidence: {} },
      engine: null,
      outputs,
      metrics: imported.metrics,
      gates: [],
      exit: { status: 'ok', message: importReason(origin) },
      undeclaredReads: [],
      origin,
    });
  }
}

function nothingPlanned(pipeline: string): Plan {
  return {
    format: PLAN_FORMAT,
    pipeline,
    parameters: {},
    environments: {},
    data: {},
    models: {},
    steps: {},
    deployments: {},
    monitors: {},
    locations: {},
  };
}

/** A run of MLflow as plain data, whatever kind of store it was read from. */
import { EXIT, MlpipeError } from '../../errors.ts';
import { withoutUrlCredentials } from '../../ledger/credentials.ts';

export interface MlflowRun {
  id: string;
  name: string;
  experiment: { id: string; name: string };
  user: string;
  /** `FINISHED`, `FAILED`, `KILLED`, `RUNNING`, `SCHEDULED`. */
  status: string;
  deleted: boolean;
  /** Milliseconds since 1970. */
  started: number | null;
  ended: number | null;
  artifacts: string;
  parameters: Record<string, string>;
  /** Every value, in the order of its steps. */
  metrics: Record<string, MlflowValue[]>;
  tags: Record<string, string>;
  datasets: MlflowDataset[];
}

export interface MlflowValue {
  value: number;
  /** Milliseconds since 1970. */
  time: number;
  step: number;
}

export interface MlflowDataset {
  name: string;
  /** MLflow's own, of some rows: no digest of the bytes. */
  digest: string;
  sourceType: string;
  source: string;
  /** `training` */
  context?: string;
}

/** A place that runs are read from. */
export interface TrackingStore {
  /** Without credentials. */
  from: string;
  /** @throws MlpipeError `mlflow-run-unknown`, `mlflow-run-ambiguous` */
  find(reference: string): Promise<MlflowRun>;
  /** The artifacts of a run, where only the store itself can hand them over. */
  download?(run: MlflowRun, folder: string): Promise<void>;
  close(): void;
}

/** Names of what nobody should have logged. */
const SECRET = /passw|passphrase|token|secret|credential|api[_.-]?key|private[_.-]?key/i;

/** The same without passwords in addresses, and without the values of what is called like a secret. */
export function withoutSecrets(run: MlflowRun): { run: MlflowRun; masked: string[] } {
  const masked: string[] = [];
  const clean = (values: Record<string, string>, what: string) =>
    Object.fromEntries(
      Object.entries(values).map(([name, value]) => {
        if (!SECRET.test(name)) return [name, withoutUrlCredentials(value)];
        masked.push(`${what} ${name}`);
        return [name, '…'];
      }),
    );
  const datasets = run.datasets.map((each) => ({ ...each, source: withoutUrlCredentials(each.source) }));
  return {
    run: {
      ...run,
      artifacts: withoutUrlCredentials(run.artifacts),
      parameters: clean(run.parameters, 'parameter'),
      tags: clean(run.tags, 'tag'),
      datasets,
    },
    masked,
  };
}

/** MLflow's databases have no word for infinity, and write the largest number for it. */
export function outOfDatabase(value: number): number {
  return Math.abs(value) === Number.MAX_VALUE ? Math.sign(value) * Number.POSITIVE_INFINITY : value;
}

/** As MLflow shows a metric: of its highest step, the latest, the largest. */
export function lastOf(values: readonly MlflowValue[]): MlflowValue | undefined {
  return [...values].sort(
    (one, other) => other.step - one.step || other.time - one.time || other.value - one.value || 0,
  )[0];
}

export function runUnknown(reference: string, from: string): MlpipeError {
  return new MlpipeError(`There is no run ${reference} in ${from}.`, {
    code: 'mlflow-run-unknown',
    todo: 'Name a run by its id or its name, and the store with --from; MLflow’s page of the run shows both.',
    exit: EXIT.usage,
  });
}

export function runAmbiguous(reference: string, ids: readonly string[]): MlpipeError {
  return new MlpipeError(`${ids.length} runs are called ${reference}.`, {
    code: 'mlflow-run-ambiguous',
    todo: `Name one by its id: ${ids.slice(0, 5).join(', ')}.`,
    exit: EXIT.usage,
  });
}

export function storeBroken(from: string, why: string, cause?: unknown): MlpipeError {
  return new MlpipeError(`${from} cannot be read as a store of MLflow: ${why}.`, {
    code: 'mlflow-store-broken',
    todo: 'Name with --from a folder mlruns, sqlite:///mlflow.db or the address of a tracking server.',
    exit: EXIT.usage,
    ...(cause === undefined ? {} : { cause }),
  });
}

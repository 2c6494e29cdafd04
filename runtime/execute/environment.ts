/** A step's environment on this machine: exactly what is pinned, or an error that says what to do. */
import fs from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { digestOfValue } from '../../grammar/plan/canonical.ts';
import type { Digest, EnvironmentPlan, InterpreterPlan, ResourcesPlan } from '../../grammar/plan/plan.ts';
import type { MachineFact } from '../../grammar/rules/facts.ts';
import { settingsIdentity, tensorflowSettings } from '../engines/tensorflow/settings.ts';
import { pinnedImage } from '../environment/container/image.ts';
import type { LanguageNeed } from '../environment/languages/provide.ts';
import { evidence, hardwareIdentity, probe } from '../environment/probe.ts';
import { EXIT, MlpipeError } from '../errors.ts';
import type { RecordedEnvironment } from '../ledger/record.ts';
import type { ResolvedEnvironment } from './world.ts';

export interface ResolveOptions {
  /** The pipeline's folder, to which lock files are relative. */
  folder: string;
  /** Of a lock file. */
  digest: (path: string) => Promise<Digest>;
  /** What the step asks for: TensorFlow's bits depend on the number of its threads. */
  resources?: ResourcesPlan;
  /** The machine, where it has been looked at already. */
  machine?: MachineFact;
}

/**
 * Finds what an environment pins.
 *
 * @param plan `undefined` for a step that names no environment: it gets what happens to be here, and the record says so
 * @throws MlpipeError `lock-missing`, `lock-differs`, `hardware-missing`, `image-not-pinned`
 */
export async function resolveEnvironment(
  plan: EnvironmentPlan | undefined,
  options: ResolveOptions,
): Promise<ResolvedEnvironment> {
  const warnings: string[] = [];
  const identity: Record<string, unknown> = { platform: process.platform, architecture: process.arch };
  if (plan === undefined) {
    identity.pinned = false;
    return { recorded: record(null, identity), languages: [], warnings };
  }
  const machine =
    options.machine ?? (await probe({ before: searchFolders(options.folder), execute: plan.interpreters.length > 0 }));
  checkHardware(plan, machine);
  if (plan.engine) identity.engine = `${plan.engine.name} ${plan.engine.version}`;
  if (plan.engine?.name === 'tensorflow') {
    identity.tensorflow = settingsIdentity(tensorflowSettings(plan, options.resources ?? {}));
  }
  if (plan.image) {
    identity.image = pinnedImage(plan.image).digest;
    // What can be reached can be fetched, and be something else each time.
    if (plan.image.network) identity.network = true;
  }
  if (plan.results) identity.results = plan.results;
  // In the key only where it is asked for: every machine would otherwise run everything once more.
  if (plan.results === 'repeatable') identity.hardware = hardwareIdentity();
  const languages: LanguageNeed[] = [];
  for (const interpreter of plan.interpreters) {
    const { language, version, lock: path } = interpreter;
    identity[language] = version;
    const here = machine.interpreters.filter((each) => each.language === language);
    const program = here.find((each) => each.version === version)?.path;
    const lock = await lockOf(plan, interpreter, options);
    if (lock) identity[`${language}Lock`] = lock;
    languages.push({
      language,
      version,
      here: [...new Set(here.map((each) => each.version))],
      ...(program === undefined ? {} : { program }),
      ...(lock === undefined || path === undefined
        ? {}
        : { lock: { file: resolve(options.folder, path), digest: lock } }),
    });
  }
  return { recorded: record(plan.name, identity), languages, warnings };
}

/** Where a project keeps interpreters of its own: its `node_modules/.bin`, and those of the folders above. */
function searchFolders(folder: string): string[] {
  const folders: string[] = [];
  for (let at = folder; ; at = dirname(at)) {
    folders.push(join(at, 'node_modules', '.bin'), join(at, '.venv', 'bin'));
    if (dirname(at) === at) return folders.filter((each) => fs.existsSync(each));
  }
}

async function lockOf(
  plan: EnvironmentPlan,
  interpreter: InterpreterPlan,
  options: ResolveOptions,
): Promise<Digest | undefined> {
  if (interpreter.lock === undefined) return undefined;
  const path = resolve(options.folder, interpreter.lock);
  if (!fs.existsSync(path)) {
    throw new MlpipeError(`environment ${plan.name} names the lock file ${interpreter.lock}, which is not there.`, {
      code: 'lock-missing',
      todo: 'Correct the path after `lock`, or put the file back.',
    });
  }
  const digest = await options.digest(path);
  if (interpreter.pin !== undefined && interpreter.pin !== digest) {
    throw new MlpipeError(`${interpreter.lock} is not what environment ${plan.name} pins.`, {
      code: 'lock-differs',
      todo: `Put the pinned content back, or take the new one with \`mlpipe pin --update ${plan.name}\`.`,
    });
  }
  return digest;
}

function checkHardware(plan: EnvironmentPlan, machine: MachineFact): void {
  const { hardware } = plan;
  if (!hardware) return;
  const lacks: string[] = [];
  for (const name of hardware.classes) {
    if (name === 'gpu' ? machine.gpus.length === 0 : name !== machine.architecture) lacks.push(name);
  }
  if (hardware.memory !== undefined && hardware.memory > machine.memory)
    lacks.push(`${(hardware.memory / 2 ** 30).toFixed(1)} GiB of memory`);
  if (hardware.cpus !== undefined && hardware.cpus > machine.cpus) lacks.push(`${hardware.cpus} cpus`);
  if (hardware.gpus !== undefined && hardware.gpus > machine.gpus.length) lacks.push(`${hardware.gpus} gpus`);
  if (lacks.length === 0) return;
  throw new MlpipeError(`environment ${plan.name} asks for ${lacks.join(', ')}, which this machine has not.`, {
    code: 'hardware-missing',
    todo: 'Run it on a machine that has, or change `hardware`.',
    exit: EXIT.usage,
  });
}

function record(name: string | null, identity: Record<string, unknown>): RecordedEnvironment {
  return { name, identity, fingerprint: digestOfValue(identity), evidence: evidence() };
}

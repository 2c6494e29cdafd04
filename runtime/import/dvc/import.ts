/** A DVC project becomes a pipeline, pinned data, and records of what dvc.lock says. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../../errors.ts';
import type { Project } from '../../project.ts';
import { DvcCache, type TakenObject } from './cache.ts';
import { type DvcProject, dvcProject } from './config.ts';
import { type NamedPipeline, nameEverything } from './links.ts';
import { type DvcFile, readDvcFiles, readLock } from './lock.ts';
import { rebased } from './rebase.ts';
import { appendRecords, type Found, type LockedObjects, takeLocked } from './records.ts';
import { type DvcPipeline, readStages } from './stages.ts';
import { refuseTarget, writeWhole } from './target.ts';
import { pipelineText } from './write.ts';

export interface DvcImportOptions {
  /** Where the pipeline is written; beside dvc.yaml, called as the folder, where it is not said. */
  output?: string;
  /** Also over a file that is there. */
  force?: boolean;
  signal?: AbortSignal;
}

export interface DvcImport {
  tool: 'dvc';
  /** Relative to the project's root. */
  file: string;
  pipeline: string;
  steps: { stage: string; step: string; record: Digest | null }[];
  data: { name: string; path: string; pin: Digest | null; bytes: number | null }[];
  /** What a person has to see to. */
  todo: string[];
}

/**
 * Nothing is written before everything could be read; the pipeline's file comes last.
 *
 * @param path of dvc.yaml, or of the folder that it lies in
 * @throws MlpipeError `dvc-missing`, `dvc-cache-missing`, `file-exists`, and what the parts throw
 */
export async function importDvc(project: Project, path: string, options: DvcImportOptions = {}): Promise<DvcImport> {
  const folder = folderOf(path);
  const root = fs.realpathSync(project.root);
  const dvc = dvcProject(folder, root);
  const stages = readStages(folder, root);
  const work = new Map(stages.stages.map((stage) => [stage.name, stage.folder]));
  const { base, pipeline, lock, files } = rebased(folder, dvc.root, {
    pipeline: stages,
    lock: readLock(folder, root, work),
    files: readDvcFiles(dvc.root, folder, root),
  });
  const target = targetOf(options.output ?? join(base, `${fileNameOf(basename(folder))}.mlpipe`));
  refuseTarget(target, base, options.force ?? false);
  const named = nameEverything(basename(folder), pipeline, files);
  const staging = join(project.store.folder, 'imports', randomBytes(6).toString('hex'));
  fs.mkdirSync(staging, { recursive: true });
  try {
    const cache = new DvcCache(dvc, project.store, staging, options.signal);
    const taken = await takeData(named, cache, base, dvc);
    const text = await formatted(textOf(named, pipeline, lock, taken));
    const found: Found = { project, folder, base, root, target, named, lock, cache };
    const locked = lock === undefined ? new Map<string, LockedObjects>() : await takeLocked(found);
    options.signal?.throwIfAborted();
    const records = await appendRecords(found, locked, digestOf(text));
    writeWhole(target, text, options.force ?? false);
    return {
      tool: 'dvc',
      file: relative(root, target).replaceAll('\\', '/'),
      pipeline: named.name,
      steps: named.stages.map(({ name, stage }) => ({
        stage: stage.name,
        step: name,
        record: records.get(name) ?? null,
      })),
      data: named.data.map(({ name, file }) => ({
        name,
        path: file.path,
        pin: taken.get(name)?.digest ?? null,
        bytes: taken.get(name)?.bytes ?? null,
      })),
      todo: todosOf(named, lock, locked, taken),
    };
  } finally {
    fs.rmSync(staging, { recursive: true, force: true, maxRetries: 3 });
  }
}

// ---------------------------------------------------------------- where

function folderOf(path: string): string {
  const stats = fs.statSync(path, { throwIfNoEntry: false });
  const folder = fs.realpathSync(stats?.isDirectory() ? path : dirname(resolve(path)));
  if ((stats?.isDirectory() || basename(path) === 'dvc.yaml') && fs.existsSync(join(folder, 'dvc.yaml'))) return folder;
  throw new MlpipeError(`There is no ${stats?.isDirectory() ? join(path, 'dvc.yaml') : path}.`, {
    code: 'import-file-missing',
    todo: 'Name a dvc.yaml, or the folder that it lies in.',
    exit: EXIT.usage,
  });
}

/** In the folder as the system calls it, whatever link leads there. */
function targetOf(output: string): string {
  const folder = dirname(resolve(output));
  return join(fs.existsSync(folder) ? fs.realpathSync(folder) : folder, basename(output));
}

function fileNameOf(folder: string): string {
  return folder.replaceAll(/[^A-Za-z0-9_-]+/g, '-').replaceAll(/^-+|-+$/g, '') || 'pipeline';
}

// ---------------------------------------------------------------- contents

async function takeData(
  { data }: NamedPipeline,
  cache: DvcCache,
  folder: string,
  dvc: DvcProject,
): Promise<Map<string, TakenObject>> {
  const taken = new Map<string, TakenObject>();
  const missing: DvcFile[] = [];
  for (const { name, file } of data) {
    if (file.object === undefined) continue;
    const found = await cache.take(file.object, join(folder, file.path));
    if (found === undefined) missing.push(file);
    else taken.set(name, found);
  }
  if (missing.length === 0) return taken;
  const remotes = dvc.elsewhere.length === 0 ? '' : ` (a remote may have it: ${dvc.elsewhere.join(', ')})`;
  throw new MlpipeError(
    `Neither DVC’s cache nor a remote of this machine has ${missing.map(({ path, object }) => `${path} (MD5 ${object?.md5})`).join(', ')}.`,
    { code: 'dvc-cache-missing', todo: `Fetch it with \`dvc pull\`${remotes}; then import again.` },
  );
}

// ---------------------------------------------------------------- text

function textOf(
  named: NamedPipeline,
  { context }: DvcPipeline,
  lock: Found['lock'],
  taken: ReadonlyMap<string, TakenObject>,
): string {
  const commands = new Map<string, readonly string[]>();
  for (const { stage } of named.stages) {
    if (Array.isArray(stage.commands)) continue;
    const locked = lock?.get(stage.name);
    if (locked === undefined) {
      throw new MlpipeError(stage.commands.why, {
        code: 'dvc-template',
        todo: `Run \`dvc repro ${stage.name}\` first: then dvc.lock says what the command is.`,
        exit: EXIT.usage,
      });
    }
    commands.set(stage.name, locked.commands);
  }
  const pins = new Map([...taken].map(([name, { digest }]) => [name, digest]));
  return pipelineText({ pipeline: named, context, pins, commands });
}

/** The language is large, and only needed here. */
async function formatted(text: string): Promise<string> {
  const { formatText } = await import('../../../grammar/formatting/formatter.ts');
  return formatText(text);
}

function todosOf(
  { stages, data }: NamedPipeline,
  lock: Found['lock'],
  locked: ReadonlyMap<string, LockedObjects>,
  taken: ReadonlyMap<string, TakenObject>,
): string[] {
  return [
    ...stages.flatMap(({ name, stage }) => stage.notes.map((note) => `step ${name}: in DVC ${note}`)),
    ...stages.flatMap(({ name, stage }) =>
      stage.remoteDeps.map((path) => `step ${name} depends on ${path}: take a snapshot into the project and name it`),
    ),
    ...data
      .filter(({ name }) => !taken.has(name))
      .map(
        ({ name, file }) => `data ${name}: ${file.file} has no MD5 of ${file.path}: put it there, and \`mlpipe pin\``,
      ),
    ...(lock === undefined ? ['there is no dvc.lock: nothing is recorded of earlier runs'] : []),
    ...stages
      .filter(({ stage }) => lock !== undefined && !lock.has(stage.name))
      .map(({ name, stage }) => `step ${name}: dvc.lock does not know ${stage.name}, so that there is no record of it`),
    ...stages.flatMap(({ name, stage }) => {
      const recorded = lock?.get(stage.name)?.commands.join('\n');
      if (recorded === undefined || !Array.isArray(stage.commands)) return [];
      const now = stage.commands.map((parts) => parts.map(({ text }) => text).join('')).join('\n');
      return now === recorded.trim() ? [] : [`step ${name}: dvc.lock is of another command: ${recorded}`];
    }),
    ...[...locked].flatMap(([name, { missing }]) =>
      missing.map((each) => `step ${name}: ${each.name} is not in the record: ${each.why}`),
    ),
  ];
}

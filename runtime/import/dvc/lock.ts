/** What DVC has recorded: dvc.lock beside dvc.yaml, and the `.dvc` files of what was added by hand. */
import fs from 'node:fs';
import { dirname, join, posix, relative } from 'node:path';
import type { PlanValue } from '../../../grammar/plan/plan.ts';
import { EXIT, MlpipeError } from '../../errors.ts';
import { insideOf } from '../files.ts';
import { asList, asMap, asText, isNumber, readYaml, type Yaml } from '../yaml.ts';
import type { DvcObject } from './cache.ts';
import { isRemote } from './stages.ts';

/** A path and what DVC says lay there. */
export interface Tracked {
  /** Relative to the folder of dvc.yaml. */
  path: string;
  /** Nothing where DVC has no MD5 of it: contents of other systems, and what was never made. */
  object?: DvcObject;
}

export interface LockedStage {
  commands: string[];
  deps: Tracked[];
  outs: Tracked[];
  /** `train.epochs` → 3 */
  parameters: Record<string, PlanValue>;
}

/** A file or folder that was added by hand. */
export interface DvcFile extends Tracked {
  /** The `.dvc` file. */
  file: string;
  /** Where it came from, where `dvc import` or `import-url` brought it. */
  from?: string;
}

/**
 * @param folders where each stage runs, relative to the folder of dvc.yaml
 * @returns nothing where there is no dvc.lock: then nothing has run yet
 * @throws MlpipeError `yaml-broken`, `yaml-unexpected`, `path-outside`
 */
export function readLock(
  folder: string,
  root: string,
  folders: ReadonlyMap<string, string>,
): ReadonlyMap<string, LockedStage> | undefined {
  const path = join(folder, 'dvc.lock');
  if (!fs.existsSync(path)) return undefined;
  const file = asMap(readYaml(path, root), 'dvc.lock');
  // Up to its version 1 the stages stood alone.
  const stages = file.has('schema') ? asMap(file.get('stages'), 'stages in dvc.lock') : file;
  const found = new Map<string, LockedStage>();
  for (const [name, raw] of stages) {
    const what = `${name} in dvc.lock`;
    const stage = asMap(raw, what);
    const work = folders.get(name) ?? '.';
    const tracked = (section: string) =>
      asList(stage.get(section), `${section} of ${what}`).flatMap((each) =>
        trackedOf(asMap(each, `${section} of ${what}`), folder, root, work, what),
      );
    const command = stage.get('cmd');
    found.set(name, {
      commands: (Array.isArray(command) ? command : [command]).map((each) => asText(each, `cmd of ${what}`)),
      deps: tracked('deps'),
      outs: tracked('outs'),
      parameters: parametersOf(stage.get('params'), what),
    });
  }
  return found;
}

function trackedOf(
  entry: ReadonlyMap<string, Yaml>,
  folder: string,
  root: string,
  work: string,
  what: string,
): Tracked[] {
  const path = asText(entry.get('path'), `A path of ${what}`);
  if (isRemote(path)) return [];
  const md5 = entry.get('md5');
  return [
    {
      path: posix.join(work, insideOf(root, join(folder, work), path, what)),
      ...(typeof md5 === 'string' || isNumber(md5)
        ? {
            object: {
              md5: asText(md5, `A digest of ${what}`),
              ofBytes: entry.get('hash') === 'md5',
              ...(entry.get('isexec') === true ? { executable: true } : {}),
            },
          }
        : {}),
    },
  ];
}

function parametersOf(raw: Yaml | undefined, what: string): Record<string, PlanValue> {
  const found: Record<string, PlanValue> = {};
  for (const [file, values] of asMap(raw, `params of ${what}`)) {
    for (const [name, value] of asMap(values, `params of ${what}`)) {
      const key = file === 'params.yaml' ? name : `${file}:${name}`;
      const plain = planValueOf(value);
      if (plain !== undefined) found[key] = plain;
    }
  }
  return found;
}

function planValueOf(value: Yaml): PlanValue | undefined {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (isNumber(value)) return Number.isFinite(value.value) ? value.value : value.source;
  if (Array.isArray(value)) {
    const items = value.map(planValueOf);
    return items.every((item) => item !== undefined) ? items : undefined;
  }
  return undefined;
}

// ---------------------------------------------------------------- .dvc files

/** Folders in which nobody adds data, and which may be large. */
const SPARED = new Set(['.git', '.dvc', '.mlpipe', 'node_modules', '.venv', '__pycache__']);
const MOST_FOLDERS = 1_000_000;

/**
 * The `.dvc` files of a DVC project. Links are not followed.
 *
 * @param top of the DVC project
 * @param folder of dvc.yaml, to which paths are relative
 * @param root of the project, which no path may leave
 */
export function readDvcFiles(top: string, folder: string, root: string): DvcFile[] {
  const found: DvcFile[] = [];
  const open = [top];
  for (let count = 0; open.length > 0 && count < MOST_FOLDERS; count += 1) {
    const at = open.pop() ?? top;
    for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
      if (entry.isDirectory() && !SPARED.has(entry.name)) open.push(join(at, entry.name));
      if (entry.isFile() && entry.name.endsWith('.dvc')) found.push(...dvcFilesIn(join(at, entry.name), folder, root));
    }
  }
  return found.sort((one, other) => (one.path < other.path ? -1 : 1));
}

function dvcFilesIn(file: string, folder: string, root: string): DvcFile[] {
  const name = relative(root, file).replaceAll('\\', '/');
  const content = asMap(readYaml(file, root), name);
  if (content.has('cmd')) {
    throw new MlpipeError(`${name} is a stage of DVC’s version 0, which nothing reads any more.`, {
      code: 'dvc-too-old',
      todo: 'Bring the project to today’s DVC first: `dvc commit` its stages into a dvc.yaml.',
      exit: EXIT.usage,
    });
  }
  const wdir = content.get('wdir');
  const place = join(dirname(file), wdir === undefined ? '.' : asText(wdir, `wdir of ${name}`));
  const work = relative(folder, place).replaceAll('\\', '/') || '.';
  const from = asList(content.get('deps'), `deps of ${name}`).flatMap((each) => {
    const dep = asMap(each, `deps of ${name}`);
    const repository = dep.get('repo');
    const url = repository instanceof Map ? repository.get('url') : dep.get('path');
    return typeof url === 'string' ? [url] : [];
  });
  return asList(content.get('outs'), `outs of ${name}`).flatMap((each) =>
    trackedOf(asMap(each, `outs of ${name}`), folder, root, work, name).map((tracked) => ({
      ...tracked,
      file: name,
      ...(from[0] === undefined ? {} : { from: from[0] }),
    })),
  );
}

/**
 * A step reads inside of its pipeline's folder alone, a stage anywhere in its DVC project. Where one reads beside its
 * dvc.yaml, the pipeline begins at the top of the DVC project, and every path with it.
 */
import { posix, relative } from 'node:path';
import { isBelow } from './links.ts';
import type { DvcFile, LockedStage, Tracked } from './lock.ts';
import type { DvcPipeline, DvcStage } from './stages.ts';

export interface Based {
  /** Where the pipeline is written. */
  base: string;
  pipeline: DvcPipeline;
  lock: ReadonlyMap<string, LockedStage> | undefined;
  files: DvcFile[];
}

/**
 * @param folder of dvc.yaml, to which all paths are relative so far
 * @param top of the DVC project
 */
export function rebased(folder: string, top: string, { pipeline, lock, ...found }: Omit<Based, 'base'>): Based {
  // Data of other folders is theirs, unless a stage here depends on it.
  const files = found.files.filter(({ path }) => !path.startsWith('../') || isNeeded(path, pipeline));
  const leaves = pipeline.stages.some(({ deps, outs, parameterFiles, folder: work }) =>
    [...deps, ...parameterFiles, ...outs.map(({ path }) => path), work].some((path) => path.startsWith('..')),
  );
  const prefix = relative(top, folder).replaceAll('\\', '/');
  if (!leaves || prefix === '') return { base: folder, pipeline, lock, files };
  const place = (path: string) => posix.join(prefix, path);
  const tracked = <Kind extends Tracked>(each: Kind): Kind => ({ ...each, path: place(each.path) });
  const stage = (each: DvcStage): DvcStage => ({
    ...each,
    folder: place(each.folder),
    deps: each.deps.map(place),
    parameterFiles: each.parameterFiles.map(place),
    outs: each.outs.map((out) => ({ ...out, path: place(out.path) })),
  });
  return {
    base: top,
    pipeline: { ...pipeline, stages: pipeline.stages.map(stage) },
    lock:
      lock &&
      new Map(
        [...lock].map(([name, each]) => [
          name,
          { ...each, deps: each.deps.map(tracked), outs: each.outs.map(tracked) },
        ]),
      ),
    files: files.map(tracked),
  };
}

function isNeeded(path: string, { stages }: DvcPipeline): boolean {
  return stages.some(({ deps }) => deps.some((dep) => dep === path || isBelow(dep, path) || isBelow(path, dep)));
}

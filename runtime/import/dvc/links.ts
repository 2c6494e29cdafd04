/** Which dependency of a stage is what: another stage's output, data that was added, or a file of the project. */

import { Names } from '../names.ts';
import type { DvcFile } from './lock.ts';
import type { DvcPipeline, DvcStage } from './stages.ts';

/** An output with its name in the language. */
export interface NamedOut {
  name: string;
  path: string;
  kind: 'out' | 'metric' | 'plot';
}

export interface NamedStage {
  name: string;
  stage: DvcStage;
  outs: NamedOut[];
  /** What it depends on, by what names it: `prepare.rows`, `raw`. */
  inputs: { reference: string; path: string; step?: string; output?: string; data?: string }[];
  /** Files of the project. */
  reads: string[];
}

export interface NamedData {
  name: string;
  file: DvcFile;
}

export interface NamedPipeline {
  name: string;
  stages: NamedStage[];
  data: NamedData[];
  /** Names that are left for parameters. */
  names: Names;
}

export function nameEverything(name: string, pipeline: DvcPipeline, files: readonly DvcFile[]): NamedPipeline {
  const names = new Names();
  const pipelineName = names.give(name);
  const stages = pipeline.stages.map((stage): NamedStage => {
    const own = new Names();
    const outs = stage.outs.map(({ path, kind }) => ({ name: own.give(stemOf(path)), path, kind }));
    return { name: names.give(stage.name), stage, outs, inputs: [], reads: [] };
  });
  const written = new Set(stages.flatMap(({ outs }) => outs.map(({ path }) => path)));
  // What a stage writes is made, whoever also added it.
  const data = files
    .filter(({ path }) => !written.has(path))
    .map((file): NamedData => ({ name: names.give(stemOf(file.path)), file }));
  for (const each of stages) link(each, stages, data);
  return { name: pipelineName, stages, data, names };
}

function link(named: NamedStage, stages: readonly NamedStage[], data: readonly NamedData[]): void {
  const sources = [
    ...stages
      .filter((each) => each !== named)
      .flatMap(({ name, outs }) =>
        outs.map((out) => ({ reference: `${name}.${out.name}`, path: out.path, step: name, output: out.name })),
      ),
    ...data.map(({ name, file }) => ({ reference: name, path: file.path, data: name })),
  ];
  const found = new Map<string, NamedStage['inputs'][number]>();
  for (const path of [...named.stage.deps, ...named.stage.parameterFiles]) {
    const exact = sources.filter((source) => source.path === path || isBelow(path, source.path));
    // A folder of which only parts are tracked: those parts, and the rest by its path.
    const parts = exact.length > 0 ? exact : sources.filter((source) => isBelow(source.path, path));
    for (const source of parts) found.set(source.reference, source);
    if (exact.length === 0 && !(parts.length > 0 && path === '.')) named.reads.push(path);
  }
  named.inputs.push(...found.values());
  named.reads = [...new Set(named.reads)];
}

export function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

function stemOf(path: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1);
  return base.replace(/\.[^.]*$/, '') || base;
}

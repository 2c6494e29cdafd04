/** The part of the façade about this machine: what works here, and how to mend the rest. */
import type { EngineFact, MachineFact } from '../grammar/rules/facts.ts';
import { signingKey } from './api-ledger.ts';
import { listEngines } from './engines/index.ts';
import { containerPoint } from './environment/container/runtimes.ts';
import { probe } from './environment/probe.ts';
import type { Project } from './project.ts';

export interface DoctorPoint {
  name: string;
  ok: boolean;
  /** What was found. */
  found: string;
  /** How to mend it. */
  todo?: string;
}

/** What works on this machine, and how to mend the rest. */
export async function doctor(project: Project): Promise<{ ok: boolean; points: DoctorPoint[] }> {
  const [machine, available, containers] = await Promise.all([probe(), engines(), containerPoint()]);
  const python = machine.interpreters.find(({ language }) => language === 'python');
  const points: DoctorPoint[] = [
    { name: 'node', ok: true, found: `Node ${machine.node}` },
    { name: 'store', ok: true, found: project.store.folder },
    project.ledger.index.startsWith('SQLite')
      ? { name: 'index', ok: true, found: project.ledger.index }
      : {
          name: 'index',
          ok: false,
          found: project.ledger.index,
          todo: 'Install better-sqlite3 for this platform; without it every record is read for each question.',
        },
    signingKey(),
    ...project.ledger.problems.map(({ digest, problem }) => ({
      name: 'record',
      ok: false,
      found: `${digest} ${problem}`,
      todo: 'Bring the record back from a copy, or remove its file if the run is not needed.',
    })),
    ...available.map((engine) => ({
      name: `engine ${engine.name}`,
      ok: engine.state === 'installed',
      found: `${engine.state}${engine.versions.length > 0 ? ` (${engine.versions.join(', ')})` : ''}`,
      ...(engine.reason === undefined ? {} : { todo: engine.reason }),
    })),
    python
      ? { name: 'python', ok: true, found: `Python ${python.version} (${python.path})` }
      : { name: 'python', ok: false, found: 'none on the search path', todo: 'Install Python, if steps need it.' },
    containers,
  ];
  // What only some pipelines need is told, and is no failure of the machine.
  const needed = new Set(['node', 'store', 'index', 'record', 'engine wasm']);
  return { ok: points.every((point) => point.ok || !needed.has(point.name)), points };
}

export function engines(): Promise<EngineFact[]> {
  return listEngines();
}

export function machine(): Promise<MachineFact> {
  return probe();
}

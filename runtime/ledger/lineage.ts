/** What stands behind a record or an object, and what came of it. */
import { posix } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import type { LineageAnswer, LineageNode } from '../rpc/protocol.ts';
import type { Ledger } from './ledger.ts';
import type { StoredRecord } from './record.ts';

export interface LineageOptions {
  /** `up`: what it was made from; `down`: what was made from it; `both`: the two together. */
  direction: 'up' | 'down' | 'both';
  /** How many records away, at most. */
  depth?: number;
}

type Nodes = Map<string, LineageNode>;
type Edges = Map<string, LineageAnswer['edges'][number]>;

/**
 * The graph of a record or of an object, its inputs and outputs, and so on along the direction.
 *
 * Nodes are records, the data, files and models they read and wrote, commits and environments; edges go from what was
 * read to what was made of it. Paths are relative to the project's root.
 */
export function lineage(ledger: Ledger, start: StoredRecord | Digest, options: LineageOptions): LineageAnswer {
  const nodes: Nodes = new Map();
  const edges: Edges = new Map();
  if (typeof start === 'string') {
    // An object is called what those call it who wrote or read it.
    const scratch: Nodes = new Map();
    for (const stored of [...ledger.readers(start), ...ledger.writers(start)]) addRecord(stored, scratch, new Map());
    const node = scratch.get(start);
    if (node) nodes.set(start, node);
  }
  const depth = options.depth ?? Number.POSITIVE_INFINITY;
  for (const direction of options.direction === 'both' ? (['up', 'down'] as const) : [options.direction]) {
    const near = direction === 'up' ? parentsOf : childrenOf;
    const first =
      typeof start !== 'string' ? [start] : direction === 'up' ? ledger.writers(start) : ledger.readers(start);
    for (const stored of recordsAlong(first, (each) => near(ledger, each), depth)) addRecord(stored, nodes, edges);
  }
  const begin = typeof start === 'string' ? start : start.digest;
  return { start: begin, nodes: [...nodes.values()], edges: [...edges.values()] };
}

/** The records, those next to them, and so on, each once and as far as asked. */
function recordsAlong(
  first: StoredRecord[],
  next: (stored: StoredRecord) => StoredRecord[],
  depth: number,
): StoredRecord[] {
  const found = new Map<Digest, StoredRecord>();
  let front = first;
  for (let distance = 0; front.length > 0 && distance <= depth; distance += 1) {
    const fresh = front.filter(({ digest }) => !found.has(digest));
    for (const stored of fresh) found.set(stored.digest, stored);
    front = fresh.flatMap(next);
  }
  return [...found.values()];
}

function parentsOf(ledger: Ledger, { record }: StoredRecord): StoredRecord[] {
  return record.inputs.flatMap((input) =>
    input.record ? (ledger.get(input.record) ?? []) : ledger.writers(input.digest),
  );
}

function childrenOf(ledger: Ledger, { record }: StoredRecord): StoredRecord[] {
  return Object.values(record.outputs).flatMap(({ digest }) => ledger.readers(digest));
}

function addRecord({ digest, record }: StoredRecord, nodes: Nodes, edges: Edges): void {
  const node = (
    id: string,
    kind: LineageNode['kind'],
    label: string,
    detail: string | undefined,
    rest: Omit<LineageNode, 'id' | 'kind' | 'label' | 'detail'> = {},
  ) => {
    if (!nodes.has(id)) nodes.set(id, { id, kind, label, ...(detail === undefined ? {} : { detail }), ...rest });
  };
  const edge = (from: string, to: string, label: string) =>
    void edges.set(`${from} ${to} ${label}`, { from, to, label });

  const who = record.who.name ?? record.who.user;
  const inRoot = (path: string) => posix.join(posix.dirname(record.pipeline.file), path);
  const detail = `${record.run}, ${record.when.ended}, ${who}`;
  node(digest, 'record', record.step, record.origin === undefined ? detail : `${detail}; ${record.reason}`, {
    record: {
      kind: record.kind,
      step: record.step,
      run: record.run,
      pipeline: record.pipeline.name,
      file: record.pipeline.file,
      status: record.exit.status,
      who,
      ended: record.when.ended,
      seconds: record.when.seconds,
      metrics: record.metrics,
      ...(record.origin === undefined ? {} : { origin: record.reason }),
    },
  });
  for (const input of record.inputs) {
    const [kind = 'file', name = input.name] = split(input.name);
    node(
      input.digest,
      kind === 'data' ? 'data' : kind === 'output' ? outputKind(name) : 'file',
      input.path ?? name,
      input.digest,
      {
        bytes: input.bytes,
        ...(input.path === undefined ? {} : { path: inRoot(input.path) }),
        ...(input.rows === undefined ? {} : { rows: input.rows }),
      },
    );
    edge(input.digest, digest, 'read by');
  }
  for (const [name, output] of Object.entries(record.outputs)) {
    node(output.digest, outputKind(name), `${record.step}.${name}`, output.digest, {
      bytes: output.bytes,
      ...(output.path === undefined ? {} : { path: inRoot(output.path) }),
    });
    edge(digest, output.digest, 'wrote');
  }
  for (const { name, digest: claim, source } of record.origin?.claims.datasets ?? []) {
    const id = `claimed:${record.origin?.tool}:${name}:${claim}`;
    node(id, 'data', name, `as ${record.origin?.tool} says, digest ${claim}, from ${source}; its bytes are not known`);
    edge(id, digest, 'read by');
  }
  const claimed = record.origin?.claims.commit;
  if (claimed !== undefined) {
    const id = `commit:${claimed}`;
    // Without `commit`: that would say whether there were uncommitted changes, which nobody knows.
    node(id, 'commit', claimed.slice(0, 12), `as ${record.origin?.tool} says; with which changes is not known`);
    edge(id, digest, 'code of');
  }
  if (record.code) {
    const { commit, branch, dirty, diff } = record.code;
    const id = `commit:${commit}${diff ? `+${diff}` : ''}`;
    node(id, 'commit', commit.slice(0, 12), dirty ? 'with uncommitted changes' : undefined, {
      commit: { id: commit, dirty, ...(branch === undefined ? {} : { branch }) },
    });
    edge(id, digest, 'code of');
  }
  // In what another tool ran it is not known.
  if (record.origin !== undefined) return;
  node(
    record.environment.fingerprint,
    'environment',
    record.environment.name ?? 'this machine',
    record.environment.fingerprint,
  );
  edge(record.environment.fingerprint, digest, 'environment of');
}

function split(name: string): [string, string] {
  const at = name.indexOf(':');
  return at < 0 ? ['file', name] : [name.slice(0, at), name.slice(at + 1)];
}

function outputKind(name: string): 'model' | 'output' {
  return name === 'model' || name.endsWith('.model') ? 'model' : 'output';
}

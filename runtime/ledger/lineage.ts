/** What stands behind a record or an object, and what came of it. */
import type { Digest } from '../../grammar/plan/plan.ts';
import type { LineageAnswer } from '../rpc/protocol.ts';
import type { Ledger } from './ledger.ts';
import type { StoredRecord } from './record.ts';

export interface LineageOptions {
  /** `up`: what it was made from; `down`: what was made from it. */
  direction: 'up' | 'down';
  /** How many records away, at most. */
  depth?: number;
}

type Nodes = Map<string, LineageAnswer['nodes'][number]>;
type Edges = Map<string, LineageAnswer['edges'][number]>;

/**
 * The graph of a record or of an object, its inputs and outputs, and so on along the direction.
 *
 * Nodes are records, the data, files and models they read and wrote, commits and environments; edges go from what was
 * read to what was made of it.
 */
export function lineage(ledger: Ledger, start: StoredRecord | Digest, options: LineageOptions): LineageAnswer {
  const nodes: Nodes = new Map();
  const edges: Edges = new Map();
  const seen = new Set<Digest>();
  let front: StoredRecord[];
  if (typeof start === 'string') {
    // An object is called what those call it who wrote or read it.
    const scratch: Nodes = new Map();
    for (const stored of [...ledger.readers(start), ...ledger.writers(start)]) addRecord(stored, scratch, new Map());
    const node = scratch.get(start);
    if (node) nodes.set(start, node);
    front = options.direction === 'up' ? ledger.writers(start) : ledger.readers(start);
  } else {
    front = [start];
  }
  for (let depth = 0; front.length > 0 && depth <= (options.depth ?? Number.POSITIVE_INFINITY); depth += 1) {
    const next: StoredRecord[] = [];
    for (const stored of front) {
      if (seen.has(stored.digest)) continue;
      seen.add(stored.digest);
      addRecord(stored, nodes, edges);
      next.push(...(options.direction === 'up' ? parentsOf(ledger, stored) : childrenOf(ledger, stored)));
    }
    front = next;
  }
  const begin = typeof start === 'string' ? start : start.digest;
  return { start: begin, nodes: [...nodes.values()], edges: [...edges.values()] };
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
  const node = (id: string, kind: LineageAnswer['nodes'][number]['kind'], label: string, detail?: string) => {
    if (!nodes.has(id)) nodes.set(id, { id, kind, label, ...(detail === undefined ? {} : { detail }) });
  };
  const edge = (from: string, to: string, label: string) =>
    void edges.set(`${from} ${to} ${label}`, { from, to, label });

  node(digest, 'record', record.step, `${record.run}, ${record.when.ended}, ${record.who.name ?? record.who.user}`);
  for (const input of record.inputs) {
    const [kind = 'file', name = input.name] = split(input.name);
    node(
      input.digest,
      kind === 'data' ? 'data' : kind === 'output' ? outputKind(name) : 'file',
      input.path ?? name,
      input.digest,
    );
    edge(input.digest, digest, 'read by');
  }
  for (const [name, output] of Object.entries(record.outputs)) {
    node(output.digest, outputKind(name), `${record.step}.${name}`, output.digest);
    edge(digest, output.digest, 'wrote');
  }
  if (record.code) {
    const id = `commit:${record.code.commit}${record.code.diff ? `+${record.code.diff}` : ''}`;
    node(id, 'commit', record.code.commit.slice(0, 12), record.code.dirty ? 'with uncommitted changes' : undefined);
    edge(id, digest, 'code of');
  }
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

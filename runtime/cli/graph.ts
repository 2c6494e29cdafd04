/** The graph of a plan as Mermaid, Graphviz or text; as much of it as the file allows. */
import type { Plan } from '../../grammar/plan/plan.ts';
import { inputsOf } from '../execute/keys.ts';

export interface Graph {
  nodes: { name: string; kind: 'data' | 'train' | 'evaluate' | 'program' }[];
  edges: { from: string; to: string }[];
}

/** Data sets and steps, and what reads what. */
export function graphOf(plan: Plan): Graph {
  const nodes: Graph['nodes'] = [];
  const edges = new Map<string, { from: string; to: string }>();
  for (const data of Object.values(plan.data))
    if (data.source.kind !== 'output') nodes.push({ name: data.name, kind: 'data' });
  for (const step of Object.values(plan.steps)) {
    nodes.push({ name: step.name, kind: step.kind });
    for (const input of inputsOf(plan, step)) {
      const from = input.kind === 'data' ? input.data : input.kind === 'output' ? input.step : undefined;
      if (from !== undefined) edges.set(`${from} ${step.name}`, { from, to: step.name });
    }
  }
  return { nodes, edges: [...edges.values()] };
}

export function asMermaid({ nodes, edges }: Graph): string {
  const id = new Map(nodes.map(({ name }, index) => [name, `n${index}`]));
  const shapes = { data: ['[(', ')]'], train: ['[[', ']]'], evaluate: ['{{', '}}'], program: ['[', ']'] } as const;
  const lines = nodes.map(
    ({ name, kind }) => `  ${id.get(name)}${shapes[kind][0]}"${name.replaceAll('"', '#quot;')}"${shapes[kind][1]}`,
  );
  const arrows = edges.map(({ from, to }) => `  ${id.get(from)} --> ${id.get(to)}`);
  return `flowchart LR\n${[...lines, ...arrows].join('\n')}\n`;
}

export function asDot({ nodes, edges }: Graph): string {
  const shapes = { data: 'cylinder', train: 'box3d', evaluate: 'hexagon', program: 'box' };
  const lines = nodes.map(({ name, kind }) => `  ${JSON.stringify(name)} [shape=${shapes[kind]}];`);
  const arrows = edges.map(({ from, to }) => `  ${JSON.stringify(from)} -> ${JSON.stringify(to)};`);
  return `digraph pipeline {\n  rankdir=LR;\n${[...lines, ...arrows].join('\n')}\n}\n`;
}

export function asText({ nodes, edges }: Graph): string {
  return nodes
    .map(({ name, kind }) => {
      const from = edges.filter(({ to }) => to === name).map((edge) => edge.from);
      return `${name} (${kind})${from.length === 0 ? '' : ` ← ${from.join(', ')}`}\n`;
    })
    .join('');
}

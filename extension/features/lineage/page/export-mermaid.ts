/** The graph as Mermaid, for a README or an issue. */
import type { Graph, NodeKind } from '../graph.ts';
import type { Visible } from './visible.ts';

const SHAPES: Record<NodeKind, [string, string]> = {
  data: ['[(', ')]'],
  file: ['[/', '/]'],
  training: ['[[', ']]'],
  evaluation: ['{{', '}}'],
  program: ['[', ']'],
  reproduction: ['{{', '}}'],
  import: ['[/', '\\]'],
  model: ['([', '])'],
  output: ['(', ')'],
  commit: ['>', ']'],
  environment: ['(', ')'],
};

export function asMermaid(graph: Graph, { nodes: shown, folds }: Visible): string {
  const ids = new Map(graph.nodes.filter(({ id }) => shown.has(id)).map(({ id }, index) => [id, `n${index}`]));
  const nodes = graph.nodes.flatMap((node) => {
    const id = ids.get(node.id);
    if (id === undefined) return [];
    const [open, close] = SHAPES[node.kind];
    const side = node.side === undefined || node.side === 'both' ? undefined : `only ${node.side}`;
    const lines = [node.label, [node.kind, node.detail].filter(Boolean).join(' · '), node.problem, side];
    const text = lines.filter((line) => line !== undefined).map(escaped);
    return [`  ${id}${open}"${text.join('<br>')}"${close}`];
  });
  const edges = graph.edges.flatMap(({ from, to, label }) => {
    const [one, other] = [ids.get(from), ids.get(to)];
    return one === undefined || other === undefined ? [] : [`  ${one} -->|"${escaped(label)}"| ${other}`];
  });
  const hidden = folds.map(({ node, side, hidden: count }, index) => {
    const [one, other] = side === 'after' ? [ids.get(node), `f${index}`] : [`f${index}`, ids.get(node)];
    return `  f${index}(["${count} more"])\n  ${one} -.- ${other}`;
  });
  const marked = [graph.start, graph.comparison?.start].flatMap((id) => ids.get(id ?? '') ?? []);
  const styles = marked.map((id) => `  style ${id} stroke-width:3px`);
  return `${['flowchart LR', ...nodes, ...edges, ...hidden, ...styles].join('\n')}\n`;
}

/** Mermaid reads HTML and its own marks inside a label; a name is neither. */
function escaped(text: string): string {
  return text
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/["#&<>`|\\[\]{}]/g, (sign) => `#${sign.codePointAt(0)};`)
    .slice(0, 200);
}

/** What is known of the selected node, what can be done with it, and in what two models differ. Text only, never HTML. */
import type { Graph, GraphNode } from '../graph.ts';

export interface Action {
  title: string;
  act: () => void;
}

/** Two values of so many letters have room beside a name. */
const BRIEF = 10;

/** @returns whether the focus was on a button that is not there any more */
export function showDetails(
  place: HTMLElement,
  graph: Graph,
  node: GraphNode | undefined,
  actions: readonly Action[],
): boolean {
  const parts = [node === undefined ? [] : nodeDetails(node, actions), comparisonDetails(graph)].flat();
  const { activeElement } = document;
  const focused = place.contains(activeElement) ? activeElement?.textContent : undefined;
  place.hidden = parts.length === 0;
  place.replaceChildren(...parts);
  if (focused === undefined) return false;
  // Who is at a button stays there, whatever comes in meanwhile.
  const same = [...place.querySelectorAll('button')].find(({ textContent }) => textContent === focused);
  same?.focus();
  return same === undefined;
}

function nodeDetails(node: GraphNode, actions: readonly Action[]): HTMLElement[] {
  const list = made('dl');
  const facts: [string, string][] = [
    ['kind', node.kind],
    ...(node.side === undefined ? [] : [['stands behind', standsBehind(node.side)] satisfies [string, string]]),
    ...(node.differs ?? []).map((what): [string, string] => ['differs in', what]),
    ...node.facts,
  ];
  for (const [name, value] of facts) list.append(made('dt', name), made('dd', value));
  const buttons = made('div');
  buttons.className = 'actions';
  for (const { title, act } of actions) {
    const button = made('button', title);
    button.addEventListener('click', act);
    buttons.append(button);
  }
  return [made('h2', node.label), buttons, list];
}

function standsBehind(side: NonNullable<GraphNode['side']>): string {
  return side === 'both' ? 'both models' : `the ${side} model only`;
}

function comparisonDetails({ title, comparison }: Graph): HTMLElement[] {
  if (comparison === undefined) return [];
  const heading = made('h2', 'What differs');
  if (comparison.differences.length === 0) {
    return [heading, made('p', `${title} and ${comparison.title} do not differ in anything that is recorded.`)];
  }
  const table = made('table');
  table.append(made('caption', `First: ${title}. Second: ${comparison.title}.`));
  const head = made('tr');
  head.append(columnHead('What'), columnHead('First'), columnHead('Second'));
  table.append(head);
  for (const { section, name, before, after } of comparison.differences) {
    const row = made('tr');
    const what = made('th', `${section} ${name}`);
    what.setAttribute('scope', 'row');
    row.append(what, valueCell(before), valueCell(after));
    table.append(row);
  }
  return [heading, table];
}

/** Of a digest there is room for what tells it from another, and not for the name of its algorithm. */
function valueCell(value: string): HTMLElement {
  const words = value.replaceAll('sha256:', '');
  const cell = made('td', words);
  if (words.length <= BRIEF) cell.className = 'brief';
  return cell;
}

function columnHead(words: string): HTMLElement {
  const cell = made('th', words);
  cell.setAttribute('scope', 'col');
  return cell;
}

function made(name: string, words?: string): HTMLElement {
  const element = document.createElement(name);
  if (words !== undefined) element.textContent = words;
  return element;
}

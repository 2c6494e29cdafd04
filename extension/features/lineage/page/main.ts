/** The page of a lineage: takes graphs and patches, shows them, and says what a person wants opened. */
import { type ExportFormat, type FromPage, messageToPage } from '../messages.ts';
import { isEmpty, patched } from '../patch.ts';
import { actionsOf } from './actions.ts';
import { atFirst, type Camera, fitted, panned, showing, zoomed } from './camera.ts';
import { showDetails } from './details.ts';
import { drawingIn } from './drawing.ts';
import { asMermaid } from './export-mermaid.ts';
import { asSvg } from './export-svg.ts';
import { type Flight, flightTo } from './flight.ts';
import { listenTo } from './gestures.ts';
import { type Kept, keptFrom } from './kept.ts';
import { type Direction, movedFrom } from './movement.ts';
import { elementsOfPage, measureIn, paletteOf } from './page.ts';
import { foldAt, nodeAt } from './scene.ts';
import { found, spokenHits } from './search.ts';
import { movementBetween, type View, viewOf } from './view.ts';
import { type Fold, unfolded, wayTo } from './visible.ts';

declare function acquireVsCodeApi(): {
  postMessage(message: FromPage): void;
  getState(): unknown;
  setState(kept: Kept): void;
};

const editor = acquireVsCodeApi();
const page = elementsOfPage();
const drawing = drawingIn(page.svg);
let kept = keptFrom(editor.getState());
let view: View | undefined;
let revision = 0;
let hits: string[] = [];
/** The node that an arrow key left last, to go back to. */
let cameFrom: string | undefined;
let drawn = true;
let flight: Flight | undefined;

const size = () => ({ width: page.canvas.clientWidth, height: page.canvas.clientHeight });
const middle = () => ({ x: size().width / 2, y: size().height / 2 });

// ---------------------------------------------------------------- what comes from the editor

window.addEventListener('message', ({ data }) => {
  const message = messageToPage(data);
  if (message === undefined) return;
  if (message.type === 'trouble') {
    page.trouble.hidden = message.problem === null;
    page.trouble.textContent = message.problem;
    if (view === undefined) page.empty.hidden = message.problem !== null;
    return;
  }
  if (message.type === 'graph') {
    const { subject } = message;
    const same = kept?.subject.reference === subject.reference && kept.subject.folder === subject.folder;
    kept = {
      camera: undefined,
      selected: undefined,
      query: '',
      shown: [],
      all: false,
      ...(same ? kept : {}),
      subject,
    };
    if (!same) view = undefined;
    page.search.value = kept.query;
    revision = message.revision;
    show(message.graph);
    return;
  }
  if (view === undefined || message.revision !== revision + 1) {
    // Something was missed, as while the page was hidden: the whole is asked for.
    editor.postMessage({ type: 'ready' });
    return;
  }
  revision = message.revision;
  if (!isEmpty(message.patch, view.graph)) show(patched(view.graph, message.patch));
});

function show(graph: View['graph']): void {
  if (kept === undefined) return;
  // Broken off half-way, it would show neither what was seen nor what was wanted.
  flight?.arrive();
  const earlier = view;
  view = viewOf(graph, { shown: new Set(kept.shown), all: kept.all }, measureIn(page.canvas), earlier);
  if (kept.selected !== undefined && !view.byId.has(kept.selected)) kept.selected = undefined;
  if (earlier !== undefined && kept.camera !== undefined) {
    // What is looked at stays where it is on the screen.
    const { x, y } = movementBetween(earlier, view, [kept.selected, graph.start]);
    kept.camera = panned(kept.camera, -x * kept.camera.scale, -y * kept.camera.scale);
  }
  place();
  hits = found(graph.nodes, kept.query);
  describe();
  refresh();
}

/** Where nobody has looked anywhere yet; a page that has no size yet waits for it. */
function place(): void {
  if (kept === undefined || view === undefined || size().width === 0) return;
  kept.camera ??= atFirst(view.scene, view.layout.places.get(view.graph.start), size());
}

// ---------------------------------------------------------------- what is seen

function refresh(): void {
  if (kept === undefined || view === undefined) return;
  editor.setState(kept);
  if (!drawn) return;
  drawn = false;
  requestAnimationFrame(() => {
    drawn = true;
    if (kept?.camera === undefined || view === undefined) return;
    drawing.draw(view.scene, kept.camera, size(), { selected: kept.selected, hits: new Set(hits) });
    const active = kept.selected === undefined ? undefined : drawing.elementId(kept.selected);
    if (active === undefined) page.canvas.removeAttribute('aria-activedescendant');
    else page.canvas.setAttribute('aria-activedescendant', active);
  });
}

/** Everything around the drawing. */
function describe(): void {
  if (kept === undefined || view === undefined) return;
  const { graph, visible } = view;
  const { comparison } = graph;
  page.title.textContent = `Lineage of ${graph.title}${comparison === undefined ? '' : ` compared with ${comparison.title}`}`;
  page.title.title = page.title.textContent;
  page.empty.hidden = graph.nodes.length > 0;
  if (comparison === undefined && document.activeElement === page.endComparison) page.compare.focus();
  page.endComparison.hidden = comparison === undefined;
  page.header.classList.toggle('comparing', comparison !== undefined);
  const hidden = graph.nodes.length - visible.nodes.size;
  page.all.hidden = hidden === 0 && !kept.all;
  page.all.textContent = kept.all ? 'Show What Is Near' : `Show All ${graph.nodes.length}`;
  page.hits.textContent = spokenHits(hits, kept.selected, kept.query);
  const node = kept.selected === undefined ? undefined : view.byId.get(kept.selected);
  const actions = node === undefined ? [] : actionsOf(node, graph, foldsOf(node.id), editor.postMessage, unfold);
  if (showDetails(page.details, graph, node, actions)) page.canvas.focus();
}

function foldsOf(id: string): Fold[] {
  return view?.visible.folds.filter(({ node }) => node === id) ?? [];
}

// ---------------------------------------------------------------- what a person does

function select(id: string | undefined, readable = false): void {
  if (kept === undefined || view === undefined) return;
  kept.selected = id;
  // First, for the details take room from the drawing.
  describe();
  const place = id === undefined ? undefined : view.layout.places.get(id);
  if (place !== undefined && kept.camera !== undefined) moveTo(showing(kept.camera, place, size(), readable));
  const node = id === undefined ? undefined : view.scene.nodes.find((each) => each.id === id);
  // Where the drawing has the focus, the node that becomes active in it is said already.
  if (node !== undefined && document.activeElement !== page.canvas) page.live.textContent = node.name;
  refresh();
}

function moveTo(target: Camera): void {
  if (kept?.camera === undefined) return;
  flight?.stop();
  flight = flightTo(target, kept.camera, (camera) => {
    if (kept !== undefined) kept.camera = camera;
    refresh();
  });
}

function look(camera: Camera): void {
  if (kept === undefined) return;
  flight?.stop();
  kept.camera = camera;
  refresh();
}

function reveal(ids: readonly string[]): void {
  if (kept === undefined || view === undefined || ids.length === 0) return;
  kept.shown = [...new Set([...kept.shown, ...ids])];
  show(view.graph);
}

function unfold(folds: readonly Fold[]): void {
  const shown = view;
  if (shown !== undefined) reveal(folds.flatMap((fold) => unfolded(fold, shown.neighbours, shown.visible)));
}

function jump(id: string): void {
  if (view === undefined) return;
  reveal(wayTo(id, view.neighbours, view.visible));
  select(id, true);
}

function search(query: string, step: -1 | 0 | 1): void {
  if (kept === undefined || view === undefined) return;
  kept.query = query;
  hits = found(view.graph.nodes, query);
  const at = kept.selected === undefined ? -1 : hits.indexOf(kept.selected);
  const next = step === 0 ? Math.max(0, at) : (at + step + hits.length) % Math.max(1, hits.length);
  const id = hits[next];
  if (id !== undefined) jump(id);
  else {
    describe();
    refresh();
  }
  const said = spokenHits(hits, kept.selected, query);
  const name = id === undefined ? undefined : view.scene.nodes.find((each) => each.id === id)?.name;
  page.live.textContent = [said, name].filter(Boolean).join(': ');
}

function move(direction: Direction): void {
  if (view === undefined) return;
  const from = kept?.selected;
  if (from === undefined) {
    select(view.graph.start);
    return;
  }
  let to = movedFrom(from, direction, view.layout, view.neighbours, cameFrom);
  if (to === undefined && (direction === 'left' || direction === 'right')) {
    const side = direction === 'left' ? 'before' : 'after';
    unfold(foldsOf(from).filter((fold) => fold.side === side));
    to = movedFrom(from, direction, view.layout, view.neighbours, undefined);
  }
  if (to === undefined) return;
  cameFrom = from;
  select(to);
}

function exported(format: ExportFormat): void {
  if (view === undefined) return;
  const text = format === 'svg' ? asSvg(view.scene, paletteOf(page.svg)) : asMermaid(view.graph, view.visible);
  editor.postMessage({ type: 'export', format, text });
}

const fit = (): void => void (view && moveTo(fitted(view.scene, size())));
const zoom = (factor: number): void => void (kept?.camera && look(zoomed(kept.camera, factor, middle())));

const keys: Record<string, () => void> = {
  ArrowLeft: () => move('left'),
  ArrowRight: () => move('right'),
  ArrowUp: () => move('up'),
  ArrowDown: () => move('down'),
  Enter: () => void (kept?.selected && editor.postMessage({ type: 'open', id: kept.selected })),
  Home: () => select(view?.graph.start, true),
  Escape: () => select(undefined),
  '*': () => unfold(foldsOf(kept?.selected ?? '')),
  '+': () => zoom(1.25),
  '=': () => zoom(1.25),
  '-': () => zoom(0.8),
  '0': fit,
  '/': () => page.search.focus(),
};

page.canvas.addEventListener('keydown', (event) => {
  const act = keys[event.key];
  if (act === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  act();
});
page.canvas.addEventListener('focus', () => {
  if (kept?.selected === undefined) select(view?.graph.start);
});
page.search.addEventListener('input', () => search(page.search.value, 0));
page.search.addEventListener('keydown', (event) => {
  if (event.key === 'Enter') search(page.search.value, event.shiftKey ? -1 : 1);
  else if (event.key === 'ArrowDown') page.canvas.focus();
  else if (event.key === 'Escape') {
    page.search.value = '';
    search('', 0);
    page.canvas.focus();
  } else return;
  event.preventDefault();
});
page.fit.addEventListener('click', fit);
page.larger.addEventListener('click', () => zoom(1.25));
page.smaller.addEventListener('click', () => zoom(0.8));
page.compare.addEventListener('click', () => editor.postMessage({ type: 'compare' }));
page.endComparison.addEventListener('click', () => editor.postMessage({ type: 'endComparison' }));
page.exportSvg.addEventListener('click', () => exported('svg'));
page.exportMermaid.addEventListener('click', () => exported('mermaid'));
page.all.addEventListener('click', () => {
  if (kept === undefined || view === undefined) return;
  kept.all = !kept.all;
  if (!kept.all) kept.shown = [];
  show(view.graph);
});

listenTo(page.canvas, {
  pan: (dx, dy) => void (kept?.camera && look(panned(kept.camera, dx, dy))),
  zoom: (factor, at) => void (kept?.camera && look(zoomed(kept.camera, factor, at))),
  click: (at) => {
    if (kept?.camera === undefined || view === undefined) return;
    const { x, y, scale } = kept.camera;
    const point = { x: (at.x - x) / scale, y: (at.y - y) / scale };
    const fold = foldAt(view.scene, point);
    if (fold !== undefined) return unfold([fold.fold]);
    const node = nodeAt(view.scene, point);
    cameFrom = undefined;
    select(node?.id);
  },
  doubleClick: () => void (kept?.selected && editor.postMessage({ type: 'open', id: kept.selected })),
});

new ResizeObserver(() => {
  place();
  refresh();
}).observe(page.canvas);
// Another theme may bring another font, and with it other widths.
new MutationObserver(() => void (view && show(view.graph))).observe(document.body, {
  attributes: true,
  attributeFilter: ['class'],
});
editor.postMessage({ type: 'ready' });

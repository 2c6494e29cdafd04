/**
 * Draws a scene into the page. Only what is in view is there at all; seen from afar, boxes become dots of one path a
 * kind, and only what is selected or found stays a node of its own.
 */
import { type Camera, inView, type Size } from './camera.ts';
import { ICONS } from './icons.ts';
import { NODE } from './layout.ts';
import { FOLD, type Scene, type SceneFold, type SceneLine, type SceneNode, TEXT } from './scene.ts';

export interface Marks {
  selected: string | undefined;
  hits: ReadonlySet<string>;
}

export interface Drawing {
  draw(scene: Scene, camera: Camera, view: Size, marks: Marks): void;
  /** The element that stands for a node, for a screen reader. */
  elementId(id: string): string | undefined;
}

const SVG = 'http://www.w3.org/2000/svg';
/** Below it no letter can be read: 48 units high are fewer than 12 pixels. */
const FAR = 0.25;
/** Lines that only pass by, from somewhere out of view to somewhere else: more of them tell nothing. */
const LINES_PASSING = 150;
/** More lines than this, seen from afar, are a grey blur that only costs time. */
const LINES_AFAR = 6000;

export function drawingIn(svg: SVGElement): Drawing {
  const world = svg.appendChild(element('g', {}));
  const groups = {
    edges: world.appendChild(element('g', { class: 'edges' })),
    dots: world.appendChild(element('g', { class: 'dots' })),
    folds: world.appendChild(element('g', { class: 'folds' })),
    nodes: world.appendChild(element('g', { class: 'nodes' })),
  };
  const edges = keyed(groups.edges);
  const dots = keyed(groups.dots);
  const folds = keyed(groups.folds);
  const nodes = keyed(groups.nodes);
  const numbers = new Map<string, number>();
  const numberOf = (id: string): number => {
    const number = numbers.get(id) ?? numbers.size;
    numbers.set(id, number);
    return number;
  };
  /** Seen from afar everything is one picture, that only moves. */
  let afar: { scene: Scene; lines: string; boxes: Map<string, string> } | undefined;

  return {
    elementId: (id) => (nodes.has(id) ? `node-${numberOf(id)}` : undefined),
    draw(scene, camera, view, { selected, hits }) {
      world.setAttribute('transform', `translate(${camera.x} ${camera.y}) scale(${camera.scale})`);
      const far = camera.scale < FAR;
      const seen = inView(camera, view);
      const inSight = ({ x, y }: { x: number; y: number }, width: number, height: number): boolean =>
        x + width >= seen.left && x <= seen.right && y + height >= seen.top && y <= seen.bottom;

      const linesInSight = (): SceneLine[] => {
        const ends = new Set(
          scene.nodes.flatMap(({ id, place }) => (inSight(place, NODE.width, NODE.height) ? id : [])),
        );
        let passing = 0;
        return scene.lines.filter(({ box, from, to }) => {
          if (!inSight({ x: box.left, y: box.top }, box.right - box.left, box.bottom - box.top)) return false;
          if (ends.has(from) || to.some((id) => ends.has(id))) return true;
          passing += 1;
          return passing <= LINES_PASSING;
        });
      };

      if (far && afar?.scene !== scene) afar = { scene, ...pictureOf(scene) };
      svg.classList.toggle('far', far);
      edges.show(
        far
          ? [{ key: 'all', signature: afar?.lines ?? '', make: () => element('path', { d: afar?.lines ?? '' }) }]
          : linesInSight().map(({ from, to, path, arrow }) => {
              const near = selected !== undefined && (from === selected || to.includes(selected));
              const make = () =>
                element('path', {
                  d: path,
                  ...(arrow ? { 'marker-end': near ? 'url(#arrow-near)' : 'url(#arrow)' } : {}),
                  ...(near ? { class: 'near' } : {}),
                });
              return { key: path, signature: `${near}`, make };
            }),
      );
      dots.show(
        far
          ? [...(afar?.boxes ?? [])].map(([tone, d]) => ({
              key: tone,
              signature: d,
              make: () => element('path', { d, class: `dot ${tone}` }),
            }))
          : [],
      );
      folds.show(
        far
          ? []
          : scene.folds
              .filter(({ place }) => inSight(place, FOLD.width, FOLD.height))
              .map((fold) => ({
                key: fold.fold.id,
                signature: `${fold.text} ${fold.place.x} ${fold.place.y}`,
                make: () => foldElement(fold),
              })),
      );
      nodes.show(
        scene.nodes
          .filter(({ id, place }) => {
            if (id === selected) return true;
            return far ? hits.has(id) : inSight(place, NODE.width, NODE.height);
          })
          .map((node) => {
            const marks = `${node.id === selected ? ' selected' : ''}${hits.has(node.id) ? ' hit' : ''}`;
            const { place, lines, badge, tone, name, around } = node;
            return {
              key: node.id,
              signature: [place.x, place.y, ...lines, badge, tone, name, around, marks].join('\n'),
              make: () => nodeElement(node, marks, numberOf(node.id)),
            };
          }),
      );
    },
  };
}

function pictureOf(scene: Scene): { lines: string; boxes: Map<string, string> } {
  const boxes = new Map<string, string[]>();
  for (const { place, tone } of scene.nodes) {
    const path = `M${place.x} ${place.y}h${NODE.width}v${NODE.height}h${-NODE.width}Z`;
    const list = boxes.get(tone);
    if (list === undefined) boxes.set(tone, [path]);
    else list.push(path);
  }
  return {
    lines: scene.lines.length > LINES_AFAR ? '' : scene.lines.map(({ straight }) => straight).join(''),
    boxes: new Map([...boxes].map(([tone, paths]) => [tone, paths.join('')])),
  };
}

function nodeElement(node: SceneNode, marks: string, number: number): SVGElement {
  const { kind, place, lines, badge, tone, name, around } = node;
  const group = element('g', {
    id: `node-${number}`,
    class: `node ${tone}${marks}`,
    transform: `translate(${place.x} ${place.y})`,
    role: 'treeitem',
    'aria-label': name,
    'aria-description': around,
    'aria-selected': String(marks.includes('selected')),
  });
  group.append(
    element('rect', { class: 'box', width: NODE.width, height: NODE.height, rx: 4 }),
    element('path', { class: 'icon', transform: 'translate(10 16)', d: ICONS[kind] }),
    text(lines[0], { class: 'label', x: TEXT.left, y: TEXT.first }),
    text(lines[1], { class: 'detail', x: TEXT.left, y: TEXT.second }),
  );
  if (badge !== undefined) group.append(text(badge, { class: 'badge', x: NODE.width, y: -5, 'text-anchor': 'end' }));
  return group;
}

function foldElement({ place, text: words, name }: SceneFold): SVGElement {
  const group = element('g', { class: 'fold', transform: `translate(${place.x} ${place.y})` });
  const title = element('title', {});
  title.textContent = name;
  group.append(
    title,
    element('rect', { width: FOLD.width, height: FOLD.height, rx: FOLD.height / 2 }),
    text(words, { x: FOLD.width / 2, y: 14, 'text-anchor': 'middle' }),
  );
  return group;
}

interface Wanted {
  key: string;
  /** Equal signatures look equal, so the element stays. */
  signature: string;
  make: () => SVGElement;
}

/** The children of a group by their keys: what stays is left alone. */
function keyed(group: SVGElement): { show(wanted: readonly Wanted[]): void; has(key: string): boolean } {
  const present = new Map<string, { element: SVGElement; signature: string }>();
  return {
    has: (key) => present.has(key),
    show(wanted) {
      const kept = new Set<string>();
      for (const { key, signature, make } of wanted) {
        kept.add(key);
        const known = present.get(key);
        if (known?.signature === signature) continue;
        const made = make();
        if (known === undefined) group.append(made);
        else known.element.replaceWith(made);
        present.set(key, { element: made, signature });
      }
      for (const [key, { element: gone }] of present) {
        if (kept.has(key)) continue;
        gone.remove();
        present.delete(key);
      }
    },
  };
}

function element(name: string, attributes: Record<string, string | number>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}

function text(words: string, attributes: Record<string, string | number>): SVGElement {
  const made = element('text', attributes);
  made.textContent = words;
  return made;
}

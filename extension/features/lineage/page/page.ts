/** The parts of the page, and what the browser knows of them: colours, widths of text, whether things may move. */
import { type Palette, plainColour } from './export-svg.ts';
import { LETTERS, type Measure } from './scene.ts';

export function elementsOfPage() {
  const svg = document.querySelector('svg');
  const search = document.querySelector('input');
  const header = document.querySelector('header');
  if (svg === null || search === null || header === null)
    throw new Error('The page is not the one that this program belongs to.');
  return {
    svg,
    search,
    header,
    title: part('title'),
    hits: part('hits'),
    trouble: part('trouble'),
    canvas: part('canvas'),
    empty: part('empty'),
    details: part('details'),
    live: part('live'),
    fit: part('fit'),
    larger: part('larger'),
    smaller: part('smaller'),
    all: part('all'),
    compare: part('compare'),
    endComparison: part('end-comparison'),
    exportSvg: part('export-svg'),
    exportMermaid: part('export-mermaid'),
  };
}

function part(id: string): HTMLElement {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`The page has no ${id}.`);
  return element;
}

/** Widths as the browser draws them; each is asked for once. */
export function measureIn(element: HTMLElement): Measure {
  const context = document.createElement('canvas').getContext('2d');
  const family = getComputedStyle(element).fontFamily;
  const widths = new Map<string, number>();
  return (text, strong) => {
    const key = `${strong ? `600 ${LETTERS.label}px` : `${LETTERS.detail}px`} ${family}`;
    const known = widths.get(key + text);
    if (known !== undefined) return known;
    if (context === null) return text.length * 6.5;
    context.font = key;
    const { width } = context.measureText(text);
    widths.set(key + text, width);
    return width;
  };
}

/** A person may have asked the system, or the editor, for less motion. */
export function mayMove(): boolean {
  const asked = matchMedia('(prefers-reduced-motion: reduce)').matches;
  return !asked && !document.body.classList.contains('vscode-reduce-motion');
}

/** The theme's colours as they are now, each resolved by the browser itself. */
export function paletteOf(svg: SVGElement): Palette {
  const probe = svg.appendChild(document.createElementNS('http://www.w3.org/2000/svg', 'rect'));
  const colour = (value: string): string => {
    probe.style.fill = value;
    return plainColour(getComputedStyle(probe).fill);
  };
  const toned = (tone: string): string => {
    probe.setAttribute('class', tone);
    const resolved = colour('var(--tone)');
    probe.removeAttribute('class');
    return resolved;
  };
  const palette: Palette = {
    background: colour('var(--vscode-editor-background)'),
    box: colour('var(--vscode-editorWidget-background)'),
    text: colour('var(--vscode-editorWidget-foreground, var(--vscode-foreground))'),
    quiet: colour('var(--vscode-descriptionForeground)'),
    border: toned('plain'),
    edge: colour('var(--edge)'),
    subject: toned('subject'),
    problem: toned('problem'),
    first: toned('first'),
    second: toned('second'),
    font: getComputedStyle(svg).fontFamily,
  };
  probe.remove();
  return palette;
}

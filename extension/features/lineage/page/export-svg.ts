/** The drawing as one SVG file: nothing in it is fetched, and every colour is as it was on the page. */
import { ICONS } from './icons.ts';
import { NODE } from './layout.ts';
import { FOLD, LETTERS, type Scene, type SceneNode, TEXT } from './scene.ts';

export interface Palette {
  background: string;
  box: string;
  text: string;
  quiet: string;
  border: string;
  edge: string;
  subject: string;
  problem: string;
  first: string;
  second: string;
  font: string;
}

const MARGIN = 24;

export function asSvg(scene: Scene, palette: Palette): string {
  const [width, height] = [scene.width + 2 * MARGIN, scene.height + 2 * MARGIN];
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${-MARGIN} ${-MARGIN} ${width} ${height}" font-family="${escaped(palette.font)}" font-size="${LETTERS.label}">`,
    `<title>${escaped(`Lineage of ${scene.title}`)}</title>`,
    `<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0.5L7.5 4L0 7.5Z" fill="${escaped(palette.edge)}"/></marker></defs>`,
    `<rect x="${-MARGIN}" y="${-MARGIN}" width="${width}" height="${height}" fill="${escaped(palette.background)}"/>`,
    `<g fill="none" stroke="${escaped(palette.edge)}" stroke-width="1.2">`,
    ...scene.lines.map(({ path, arrow }) => `<path d="${path}"${arrow ? ' marker-end="url(#arrow)"' : ''}/>`),
    '</g>',
    ...scene.nodes.map((node) => box(node, palette)),
    ...scene.folds.map(({ place, text, name }) =>
      [
        `<g transform="translate(${place.x} ${place.y})"><title>${escaped(name)}</title>`,
        `<rect width="${FOLD.width}" height="${FOLD.height}" rx="10" fill="${escaped(palette.box)}" stroke="${escaped(palette.border)}"/>`,
        `<text x="${FOLD.width / 2}" y="14" text-anchor="middle" font-size="${LETTERS.detail}" fill="${escaped(palette.quiet)}">${escaped(text)}</text></g>`,
      ].join(''),
    ),
    '</svg>',
  ];
  return `${parts.join('\n')}\n`;
}

function box({ kind, place, lines, badge, tone, name }: SceneNode, palette: Palette): string {
  const border = tone === 'plain' ? palette.border : palette[tone];
  const dash = tone === 'second' ? ' stroke-dasharray="6 3"' : '';
  const thick = tone === 'plain' ? 1 : 2;
  return [
    `<g transform="translate(${place.x} ${place.y})"><title>${escaped(name)}</title>`,
    `<rect width="${NODE.width}" height="${NODE.height}" rx="4" fill="${escaped(palette.box)}" stroke="${escaped(border)}" stroke-width="${thick}"${dash}/>`,
    `<path transform="translate(10 16)" d="${ICONS[kind]}" fill="none" stroke="${escaped(palette.text)}" stroke-width="1.2"/>`,
    `<text x="${TEXT.left}" y="${TEXT.first}" font-weight="600" fill="${escaped(palette.text)}">${escaped(lines[0])}</text>`,
    `<text x="${TEXT.left}" y="${TEXT.second}" font-size="${LETTERS.detail}" fill="${escaped(palette.quiet)}">${escaped(lines[1])}</text>`,
    badge === undefined
      ? ''
      : `<text x="${NODE.width}" y="-4" text-anchor="end" font-size="${LETTERS.badge}" fill="${escaped(border)}">${escaped(badge)}</text>`,
    '</g>',
  ].join('');
}

/** What a mixture of colours resolves to, `color(srgb 0.5 0.5 0.5)`, is not read by every viewer of SVG. */
export function plainColour(value: string): string {
  const [, ...parts] = /^color\(srgb ([\d.e+-]+) ([\d.e+-]+) ([\d.e+-]+)/.exec(value) ?? [];
  return parts.length === 0 ? value : `rgb(${parts.map((part) => Math.round(Number(part) * 255)).join(', ')})`;
}

function escaped(text: string): string {
  return (
    text
      // What XML cannot hold at all, however it is written.
      .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
      .replaceAll(/[&<>"']/g, (sign) => `&#${sign.codePointAt(0)};`)
  );
}

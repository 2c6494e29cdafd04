/** A card as Markdown, and as one HTML file without scripts. Everything in it may be hostile, and is escaped. */
import type { Card, CardSection } from './card.ts';

export function cardAsMarkdown(card: Card): string {
  const parts = [`# ${inMarkdown(card.title)}`, inMarkdown(card.summary)];
  for (const { title, tables, points } of card.sections) {
    if (isEmpty({ tables, points })) continue;
    parts.push(`## ${title}`);
    for (const { head, rows } of tables) {
      const line = (cells: readonly string[]) => `| ${cells.map(inMarkdown).join(' | ')} |`;
      parts.push([line(head), `|${head.map(() => '---|').join('')}`, ...rows.map(line)].join('\n'));
    }
    if (points.length > 0) parts.push(points.map((point) => `- ${inMarkdown(point)}`).join('\n'));
  }
  return `${parts.join('\n\n')}\n`;
}

export function cardAsHtml(card: Card): string {
  const sections = card.sections.filter((section) => !isEmpty(section)).map(section);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${inHtml(card.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${inHtml(card.title)}</h1>
<p>${inHtml(card.summary)}</p>
${sections.join('\n')}
</main>
</body>
</html>
`;
}

function section({ title, tables, points }: CardSection): string {
  const lines = [`<section>`, `<h2>${inHtml(title)}</h2>`];
  for (const { head, rows } of tables) {
    const headed = head.some((cell) => cell !== '');
    lines.push('<div class="table"><table>');
    if (headed)
      lines.push(`<thead><tr>${head.map((cell) => `<th scope="col">${inHtml(cell)}</th>`).join('')}</tr></thead>`);
    lines.push('<tbody>');
    for (const [first = '', ...others] of rows) {
      const cells = others.map((cell) => `<td>${inHtml(cell)}</td>`).join('');
      lines.push(`<tr><th scope="row">${inHtml(first)}</th>${cells}</tr>`);
    }
    lines.push('</tbody></table></div>');
  }
  if (points.length > 0) lines.push(`<ul>${points.map((point) => `<li>${inHtml(point)}</li>`).join('')}</ul>`);
  lines.push('</section>');
  return lines.join('\n');
}

function isEmpty({ tables, points }: Pick<CardSection, 'tables' | 'points'>): boolean {
  return points.length === 0 && tables.every(({ rows }) => rows.length === 0);
}

/** One line, in which nothing is markup. */
export function inMarkdown(text: string): string {
  return oneLine(text)
    .replace(/[\\`*_{}[\]<>#|!~]/g, (character) => `\\${character}`)
    .replace(/&/g, '&amp;')
    .replace(/\b(https?|ftp|javascript|data):/gi, '$1&#58;');
}

export function inHtml(text: string): string {
  const names: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
  return oneLine(text).replace(/[&<>"']/g, (character) => names[character] ?? '');
}

/** Without control characters, which break a line, and formatting ones, which can turn the direction of what follows. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').replace(/\p{Cf}/gu, '');
}

const STYLE = `
:root { color-scheme: light dark; --text: #1b2326; --soft: #56646b; --page: #fff; --line: #d5dde1; --row: #f4f7f8; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6ecef; --soft: #a3b1b8; --page: #14191c; --line: #37434a; --row: #1b2327; }
}
body { margin: 0; background: var(--page); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1rem; }
h1 { font-size: 1.75rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
.table { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 500; }
tbody tr:nth-child(even) { background: var(--row); }
`;

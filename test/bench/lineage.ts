/**
 * The lineage graph: layout alone, and in a real browser from the message to the picture, at 1,000 and 5,000 nodes.
 * `npm run bench -- lineage`; with `--keep FOLDER` it leaves a picture of each.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium, type Page } from 'playwright-core';
import { pageHtml } from '../../extension/features/lineage/html.ts';
import { viewOf } from '../../extension/features/lineage/page/view.ts';
import { largeGraph } from '../extension/lineages.ts';
import { findChromium } from '../harness/vscode-server.ts';
import { median, metric, missing } from './report.ts';

const { values } = parseArgs({ options: { keep: { type: 'string' } } });
const pages = fileURLToPath(new URL('../../dist/pages/', import.meta.url));
const ROUNDS = 7;

/** What an editor would say, and a few of its colours. */
const STAND_IN = `
  window.acquireVsCodeApi = () => ({ postMessage() {}, getState() {}, setState() {} });
  for (const [name, value] of Object.entries({
    'foreground': '#333', 'editor-background': '#fff', 'editorWidget-background': '#f3f3f3', 'focusBorder': '#0078d4',
    'descriptionForeground': '#666', 'editorWidget-border': '#bbb', 'font-family': 'sans-serif', 'font-size': '13px',
    'badge-background': '#ddd', 'badge-foreground': '#333', 'editorIndentGuide-activeBackground1': '#999',
  })) document.documentElement.style.setProperty('--vscode-' + name, value);`;

for (const size of [1000, 5000]) {
  const graph = largeGraph(size);
  const times = Array.from({ length: ROUNDS }, () => {
    const began = performance.now();
    viewOf(graph, { shown: new Set(), all: true }, (text) => text.length * 6);
    return performance.now() - began;
  });
  metric(`layout of ${size} nodes and ${graph.edges.length} edges`, median(times), 'ms');
}

const executablePath = findChromium();
if (executablePath === undefined) missing('Chromium', 'drawing is not measured: there is no browser here');
else {
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] });
  try {
    for (const size of [1000, 5000]) {
      const page = await browser.newPage({ viewport: { width: 1440, height: 900 } });
      await open(page);
      metric(`first picture of ${size} nodes, what is near`, await untilDrawn(page, size), 'ms', '≤ 300 ms');
      metric(`all ${size} nodes, laid out and drawn`, await press(page, '#all'), 'ms', '≤ 1,000 ms');
      await press(page, '#fit');
      await page.waitForFunction("document.querySelector('svg').classList.contains('far')");
      await page.waitForTimeout(300);
      metric(`a frame of moving, all ${size} nodes in view`, await moving(page), 'ms', '≤ 16 ms');
      if (values.keep !== undefined) await page.screenshot({ path: join(values.keep, `lineage-${size}-fit.png`) });
      await page.locator('#canvas').press('Home');
      await page.waitForTimeout(300);
      metric(`a frame of moving, ${size} nodes, close by`, await moving(page), 'ms', '≤ 16 ms');
      if (values.keep !== undefined) await page.screenshot({ path: join(values.keep, `lineage-${size}-near.png`) });
      await page.close();
    }
  } finally {
    await browser.close();
  }
}

async function open(page: Page): Promise<void> {
  const html = pageHtml({ source: "'self'", script: '', style: '', nonce: '' });
  await page.setContent(html.replace(/<meta http-equiv.*>|<link.*>|<script.*<\/script>/g, ''));
  await page.addStyleTag({ content: await readFile(join(pages, 'lineage-page.css'), 'utf8') });
  await page.addScriptTag({ content: STAND_IN });
  await page.addScriptTag({ content: await readFile(join(pages, 'lineage-page.js'), 'utf8') });
}

/** From the message to the frame after the drawing. */
function untilDrawn(page: Page, size: number): Promise<number> {
  const message = {
    type: 'graph',
    revision: 0,
    subject: { folder: '/', reference: 'large' },
    graph: largeGraph(size),
  };
  return measured(page, `window.dispatchEvent(new MessageEvent('message', { data: ${JSON.stringify(message)} }))`);
}

function press(page: Page, selector: string): Promise<number> {
  return measured(page, `document.querySelector('${selector}').click()`);
}

/** How long one frame's own work takes while the drawing is moved, without waiting for the screen. */
async function moving(page: Page): Promise<number> {
  const wheel = `document.querySelector('#canvas').dispatchEvent(new WheelEvent('wheel', { deltaX: 9, deltaY: 7 }))`;
  const times: number[] = [];
  for (let step = 0; step < 30; step += 1) times.push(await measured(page, wheel));
  return median(times);
}

/** Does something in the page, and answers when the next frame's scripts, styles and layout are through. */
function measured(page: Page, act: string): Promise<number> {
  return page.evaluate<number>(`(async () => {
    const began = performance.now();
    ${act};
    await new Promise((resolve) => requestAnimationFrame(resolve));
    document.querySelector('#canvas').getBoundingClientRect();
    return performance.now() - began;
  })()`);
}

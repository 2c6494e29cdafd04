/** What the tests may ask of the page that shows VS Code. Each takes plain data and answers with plain data. */
'use strict';
const fs = require('node:fs');
const path = require('node:path');

/** The first visible match, in the workbench or inside a webview; where there is none yet, the workbench's first. */
async function visible(page, selector, text) {
  const options = text === undefined ? {} : { hasText: text };
  for (const frame of page.frames()) {
    const found = frame.locator(selector, options).filter({ visible: true });
    if ((await found.count().catch(() => 0)) > 0) return found.first();
  }
  return page.locator(selector, options).first();
}

/** What every frame answers, in one list. A webview may go while it is looked at; the page itself may not. */
async function everywhere(page, ask) {
  const answers = page.frames().map(async (frame) => {
    try {
      return await ask(frame);
    } catch (error) {
      if (frame === page.mainFrame()) throw error;
      return [];
    }
  });
  return (await Promise.all(answers)).flat();
}

async function shoot(page, output, name) {
  fs.mkdirSync(output, { recursive: true });
  const file = path.join(output, `${path.basename(name)}.png`);
  await page.screenshot({ path: file, animations: 'disabled', caret: 'hide' });
  return file;
}

// The workbench sets no-break spaces, which no reader tells from others.
const spaced = (text) => text.replaceAll('\u00a0', ' ');

/** @param print takes a line of the test report; `output` is the folder for pictures */
exports.actionsOn = (page, { output, print }) => ({
  /**
   * How much a colour of the first visible match stands out from its ground, as WCAG counts that: 1 … 21.
   *
   * @param ground the style of the ground, `background-color` or `fill`, of the nearest `within`
   */
  async contrast({ selector, property, within, ground }) {
    const found = await visible(page, selector);
    return found.evaluate(
      (element, asked) => {
        const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
        // One over the other, so that what is half transparent counts as it is seen.
        const painted = (...colours) => {
          for (const colour of colours) {
            context.fillStyle = colour;
            context.fillRect(0, 0, 1, 1);
          }
          const [red, green, blue] = [...context.getImageData(0, 0, 1, 1).data].map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
          });
          return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        };
        const page = getComputedStyle(document.body).backgroundColor;
        const place = element.closest(asked.within) ?? document.querySelector(asked.within);
        const behind = getComputedStyle(asked.ground === 'fill' ? place.querySelector('.box') : place)[asked.ground];
        const one = painted(page, behind, getComputedStyle(element)[asked.property]);
        const other = painted(page, behind);
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      },
      { property, within, ground },
    );
  },
  print({ text }) {
    print(text);
    return true;
  },
  screenshot: ({ name }) => shoot(page, output, name),
  /** For the documentation: without what only this stand-in for a desktop shows. */
  async picture({ name }) {
    await page.evaluate(() => {
      const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const node = texts.currentNode;
        if (node.data.includes('[Extension')) node.data = node.data.replace(/\[Extension Development Host\]\s*/, '');
      }
      for (const id of ['status.workbench.keyboardLayout', 'status.forwardedPorts', 'status.host'])
        document.getElementById(id)?.remove();
    });
    // Over nothing that would light up.
    await page.mouse.move(4, 4);
    return shoot(page, output, name);
  },
  async click({ selector, text, button }) {
    const found = await visible(page, selector, text);
    await found.click({ timeout: 10_000, button: button ?? 'left' });
    return true;
  },
  async hover({ selector, text }) {
    const found = text === undefined ? page.locator(selector) : page.locator(selector, { hasText: text });
    await found.first().hover({ timeout: 10_000 });
    return true;
  },
  /** Makes the side bar so wide, in pixels, by drawing at its edge. */
  async widen({ width }) {
    const box = await page.locator('.part.sidebar').boundingBox();
    const y = box.y + box.height / 2;
    await page.mouse.move(box.x + box.width, y);
    await page.mouse.down();
    await page.mouse.move(box.x + width, y, { steps: 4 });
    await page.mouse.up();
    // Off the edge again, so that no picture shows it lit.
    await page.mouse.move(box.x + width + 300, 4);
    return true;
  },
  async press({ keys }) {
    await page.keyboard.press(keys);
    return true;
  },
  async type({ text }) {
    await page.keyboard.type(text);
    return true;
  },
  /** The texts of everything visible that matches, in the workbench and inside webviews. */
  async texts({ selector }) {
    const all = await everywhere(page, (frame) =>
      // What is drawn has no inner text of its own: it is the texts in it.
      frame
        .locator(selector)
        .filter({ visible: true })
        .evaluateAll((elements) =>
          elements.map(
            (element) =>
              element.innerText ?? [...element.querySelectorAll('text')].map((each) => each.textContent).join('\n'),
          ),
        ),
    );
    return all.map(spaced);
  },
  /** Where everything visible that matches lies, in pixels of its own frame, with how large that frame is. */
  async boxes({ selector }) {
    return everywhere(page, (frame) =>
      frame
        .locator(selector)
        .filter({ visible: true })
        .evaluateAll((elements) =>
          elements.map((element) => {
            const { left, top, right, bottom } = element.getBoundingClientRect();
            return { left, top, right, bottom, frame: { width: innerWidth, height: innerHeight } };
          }),
        ),
    );
  },
  /** The element that has the keyboard, innermost frame last: its id, else what it says. */
  async focused() {
    const all = await everywhere(page, async (frame) =>
      frame.evaluate(() => {
        const { activeElement } = document;
        if (!document.hasFocus() || activeElement === null || activeElement === document.body) return [];
        if (activeElement.tagName === 'IFRAME') return [];
        return [activeElement.id || activeElement.textContent || activeElement.tagName.toLowerCase()];
      }),
    );
    return all.at(-1) ?? '';
  },
  /** What a screen reader is told of the first visible match, as Playwright's YAML. */
  async spoken({ selector }) {
    return spaced(await (await visible(page, selector)).ariaSnapshot());
  },
  /** The values that an attribute of the first visible match takes after a key was pressed, until half a second has passed. */
  async changes({ selector, attribute, keys }) {
    const found = await visible(page, selector);
    // Looked at before the key goes out, or what it does at once would be missed.
    await found.evaluate((element, name) => {
      window.seen = new Promise((resolve) => {
        const values = [element.getAttribute(name)];
        const began = performance.now();
        const look = (now) => {
          const value = element.getAttribute(name);
          if (values.at(-1) !== value) values.push(value);
          if (now - began < 500) requestAnimationFrame(look);
          else resolve(values);
        };
        requestAnimationFrame(look);
      });
    }, attribute);
    await page.keyboard.press(keys);
    return found.evaluate(() => window.seen);
  },
  /** What the system would say of a person's wishes. */
  async wish({ reducedMotion }) {
    await page.emulateMedia({ reducedMotion });
    return true;
  },
  /** The window's size; half of it is what is left at a zoom of 200 %. */
  async resize({ width, height }) {
    await page.setViewportSize({ width, height });
    return true;
  },
});

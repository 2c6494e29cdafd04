/**
 * The editor as a person sees it, where the harness can reach its page. On a desktop VS Code there is no page to
 * reach: what can be done by a command is done by it there, and pictures are left out.
 */
const driver = process.env.MLPIPE_EDITOR_DRIVER;

export const hasPage = driver !== undefined && driver !== '';

async function ask<T>(action: string, parameters: Record<string, unknown>): Promise<T> {
  const response = await fetch(`${driver}/${action}`, { method: 'POST', body: JSON.stringify(parameters) });
  // The shape is the one the harness's table of actions gives; see test/harness/vscode-web.cjs.
  const answer = (await response.json()) as { result: T; error?: string };
  if (answer.error !== undefined) throw new Error(`The page could not ${action}: ${answer.error}`);
  return answer.result;
}

let printing: Promise<unknown> = Promise.resolve();

/** One line of the test report, in order. */
export function print(text: string): void {
  if (!hasPage) console.log(text);
  else printing = printing.then(() => ask('print', { text }));
}

/** Resolves when every line has been printed. */
export async function printed(): Promise<void> {
  await printing;
}

export async function screenshot(name: string): Promise<void> {
  if (hasPage) await ask('screenshot', { name });
}

/** A picture for the documentation. */
export function picture(name: string): Promise<string> {
  return ask('picture', { name });
}

export function click(selector: string, text?: string, button: 'left' | 'right' = 'left'): Promise<boolean> {
  return ask('click', { selector, text, button });
}

export function hover(selector: string, text?: string): Promise<boolean> {
  return ask('hover', { selector, text });
}

export function widenSideBar(width: number): Promise<boolean> {
  return ask('widen', { width });
}

export function press(keys: string): Promise<boolean> {
  return ask('press', { keys });
}

export function type(text: string): Promise<boolean> {
  return ask('type', { text });
}

/** The texts of everything visible that matches a CSS selector. */
export function texts(selector: string): Promise<string[]> {
  return ask('texts', { selector });
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
  frame: { width: number; height: number };
}

/** Where everything visible that matches lies, in pixels of its own frame, with how large that frame is. */
export function boxes(selector: string): Promise<Box[]> {
  return ask('boxes', { selector });
}

/** The id, or the words, of the element that has the keyboard. */
export function focused(): Promise<string> {
  return ask('focused', {});
}

/** What a screen reader is told of the first visible match. */
export function spoken(selector: string): Promise<string> {
  return ask('spoken', { selector });
}

/** The values that an attribute takes within half a second of a key. */
export function changes(selector: string, attribute: string, keys: string): Promise<string[]> {
  return ask('changes', { selector, attribute, keys });
}

export function wishForLessMotion(reducedMotion: 'reduce' | 'no-preference'): Promise<boolean> {
  return ask('wish', { reducedMotion });
}

export function resize(width: number, height: number): Promise<boolean> {
  return ask('resize', { width, height });
}

/** How much a colour of the first visible match stands out from its ground, as WCAG counts that: 1 … 21. */
export function contrast(
  selector: string,
  property: 'color' | 'fill' | 'stroke',
  within: string,
  ground: 'backgroundColor' | 'fill',
): Promise<number> {
  return ask('contrast', { selector, property, within, ground });
}

/** Which part of the drawing is looked at, and how large. `x` and `y` are of the drawing's corner, on the screen. */
import { NODE, type Point } from './layout.ts';

export interface Camera {
  x: number;
  y: number;
  scale: number;
}

export interface Size {
  width: number;
  height: number;
}

export const SCALE = { least: 0.02, most: 2.5, fit: 1 } as const;
const MARGIN = 32;

/** The whole drawing, in the middle; never larger than life. */
export function fitted(drawing: Size, view: Size): Camera {
  const room = (length: number): number => Math.max(1, length - 2 * MARGIN);
  const scale = within(
    Math.min(room(view.width) / Math.max(1, drawing.width), room(view.height) / Math.max(1, drawing.height)),
    SCALE.least,
    SCALE.fit,
  );
  return {
    x: (view.width - drawing.width * scale) / 2,
    y: (view.height - drawing.height * scale) / 2,
    scale,
  };
}

/** All of it where that can be read, else the node that it is about. */
export function atFirst(drawing: Size, start: Point | undefined, view: Size): Camera {
  const whole = fitted(drawing, view);
  if (whole.scale >= 0.5 || start === undefined) return whole;
  const scale = 0.7;
  return {
    x: view.width / 2 - (start.x + NODE.width / 2) * scale,
    y: view.height / 2 - (start.y + NODE.height / 2) * scale,
    scale,
  };
}

/** Larger or smaller; what is under the point stays there. */
export function zoomed(camera: Camera, factor: number, { x, y }: Point): Camera {
  const scale = within(camera.scale * factor, SCALE.least, SCALE.most);
  const ratio = scale / camera.scale;
  return { x: x - (x - camera.x) * ratio, y: y - (y - camera.y) * ratio, scale };
}

export function panned(camera: Camera, dx: number, dy: number): Camera {
  return { ...camera, x: camera.x + dx, y: camera.y + dy };
}

/** As little movement as brings the node into view; to the middle and large enough to be read where it was asked for by name. */
export function showing(camera: Camera, place: Point, view: Size, readable: boolean): Camera {
  const scale = readable ? Math.max(camera.scale, 0.7) : camera.scale;
  const grown = scale === camera.scale ? camera : { ...zoomed(camera, scale / camera.scale, centre(camera, place)) };
  const left = grown.x + place.x * scale;
  const top = grown.y + place.y * scale;
  const dx = shift(left, left + NODE.width * scale, view.width);
  const dy = shift(top, top + NODE.height * scale, view.height);
  // Who jumps far wants to see what stands around it.
  if (readable && (dx !== 0 || dy !== 0)) {
    const { x, y } = centre(grown, place);
    return panned(grown, view.width / 2 - x, view.height / 2 - y);
  }
  return panned(grown, dx, dy);
}

/** The part of the drawing that is in view, with some around it. */
export function inView(camera: Camera, view: Size): { left: number; top: number; right: number; bottom: number } {
  const around = 120 / camera.scale;
  return {
    left: -camera.x / camera.scale - around,
    top: -camera.y / camera.scale - around,
    right: (view.width - camera.x) / camera.scale + around,
    bottom: (view.height - camera.y) / camera.scale + around,
  };
}

function centre(camera: Camera, place: Point): Point {
  return {
    x: camera.x + (place.x + NODE.width / 2) * camera.scale,
    y: camera.y + (place.y + NODE.height / 2) * camera.scale,
  };
}

function shift(low: number, high: number, length: number): number {
  if (low < MARGIN) return MARGIN - low;
  if (high > length - MARGIN) return Math.max(MARGIN - low, length - MARGIN - high);
  return 0;
}

function within(value: number, least: number, most: number): number {
  return Math.min(most, Math.max(least, value));
}

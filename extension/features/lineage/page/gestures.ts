/** Moving and zooming by mouse, touchpad and finger; what is left over is a click. */
import type { Point } from './layout.ts';

export interface Gestures {
  pan(dx: number, dy: number): void;
  zoom(factor: number, at: Point): void;
  click(at: Point): void;
  doubleClick(at: Point): void;
}

/** Less than this is the hand trembling, not a drag. */
const STILL = 4;

export function listenTo(canvas: HTMLElement, gestures: Gestures): void {
  const fingers = new Map<number, Point>();
  let moved = 0;
  const local = ({ clientX, clientY }: { clientX: number; clientY: number }): Point => {
    const { left, top } = canvas.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  };

  canvas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      const unit = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
      const [dx, dy] = [event.deltaX * unit, event.deltaY * unit];
      // A pinch on a touchpad comes as a wheel with Ctrl.
      if (event.ctrlKey || event.metaKey) gestures.zoom(Math.exp(-dy / 240), local(event));
      else if (event.shiftKey && dx === 0) gestures.pan(-dy, 0);
      else gestures.pan(-dx, -dy);
    },
    { passive: false },
  );
  canvas.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    if (fingers.size === 0) moved = 0;
    fingers.set(event.pointerId, local(event));
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener('pointermove', (event) => {
    const before = fingers.get(event.pointerId);
    if (before === undefined) return;
    const now = local(event);
    const [dx, dy] = [now.x - before.x, now.y - before.y];
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, now);
    moved += Math.abs(dx) + Math.abs(dy);
    if (moved < STILL) return;
    if (other === undefined) return gestures.pan(dx, dy);
    const spread = (one: Point): number => Math.hypot(one.x - other.x, one.y - other.y);
    gestures.pan(dx / 2, dy / 2);
    gestures.zoom(spread(now) / Math.max(1, spread(before)), {
      x: (now.x + other.x) / 2,
      y: (now.y + other.y) / 2,
    });
  });
  const lift = (event: PointerEvent): void => {
    if (fingers.delete(event.pointerId) && event.type === 'pointerup' && moved < STILL) gestures.click(local(event));
  };
  canvas.addEventListener('pointerup', lift);
  canvas.addEventListener('pointercancel', lift);
  canvas.addEventListener('dblclick', (event) => gestures.doubleClick(local(event)));
}

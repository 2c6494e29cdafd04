/** Takes the camera from one place to another, for the eye to follow; at once where less motion was asked for. */
import type { Camera } from './camera.ts';
import { mayMove } from './page.ts';

export interface Flight {
  /** Stays where it is. */
  stop(): void;
  /** Is at its end at once, where it is still under way. */
  arrive(): void;
}

const MILLISECONDS = 140;

export function flightTo(target: Camera, from: Camera, show: (camera: Camera) => void): Flight {
  if (!mayMove()) {
    show(target);
    return { stop: () => undefined, arrive: () => undefined };
  }
  const began = performance.now();
  let flying = true;
  let frame = requestAnimationFrame(step);
  const stop = (): void => {
    flying = false;
    cancelAnimationFrame(frame);
  };
  function step(now: number): void {
    const share = Math.min(1, Math.max(0, (now - began) / MILLISECONDS));
    // Fast at first, gentle at the end.
    const along = (one: number, other: number): number => one + (other - one) * (1 - (1 - share) ** 3);
    if (share === 1) {
      flying = false;
      show(target);
      return;
    }
    show({ x: along(from.x, target.x), y: along(from.y, target.y), scale: along(from.scale, target.scale) });
    frame = requestAnimationFrame(step);
  }
  return {
    stop,
    arrive() {
      if (!flying) return;
      stop();
      show(target);
    },
  };
}

/** What a page keeps over a reload of the window, and how it reads that back. */
import { type Subject, subjectOf } from '../messages.ts';
import type { Camera } from './camera.ts';

export interface Kept {
  subject: Subject;
  camera: Camera | undefined;
  selected: string | undefined;
  query: string;
  /** Nodes that were asked for beyond those that are near. */
  shown: string[];
  all: boolean;
}

export function keptFrom(value: unknown): Kept | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const part = (name: string): unknown => Reflect.get(value, name);
  const subject = subjectOf(part('subject'));
  if (subject === undefined) return undefined;
  const [selected, query, shown] = [part('selected'), part('query'), part('shown')];
  return {
    subject,
    camera: cameraFrom(part('camera')),
    selected: typeof selected === 'string' ? selected : undefined,
    query: typeof query === 'string' ? query : '',
    shown: Array.isArray(shown) ? shown.filter((id) => typeof id === 'string') : [],
    all: part('all') === true,
  };
}

function cameraFrom(value: unknown): Camera | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const [x, y, scale] = ['x', 'y', 'scale'].map((name): unknown => Reflect.get(value, name));
  const finite = (number: unknown): number is number => typeof number === 'number' && Number.isFinite(number);
  return finite(x) && finite(y) && finite(scale) && scale > 0 ? { x, y, scale } : undefined;
}

/** A sign for each kind of node, 16 × 16, drawn with strokes alone. */
import type { NodeKind } from '../graph.ts';

export const ICONS: Record<NodeKind, string> = {
  data: 'M2.5 4a5.5 2 0 1 0 11 0a5.5 2 0 1 0 -11 0V12a5.5 2 0 0 0 11 0V4M2.5 8a5.5 2 0 0 0 11 0',
  file: 'M3.5 1.5H9.5L12.5 4.5V14.5H3.5ZM9.5 1.5V4.5H12.5',
  training: 'M2 13.5H14M2 13.5V2.5M4 4.5C5.5 10 8 11 13 11.3',
  evaluation: 'M2 13.5H14M4 13.5V9M7.5 13.5V6M11 13.5V3',
  program: 'M2 3H14V13H2ZM4.5 6L6.8 8L4.5 10M8.5 10.3H11.5',
  reproduction: 'M13 8A5 5 0 1 1 11.2 4.2M11.4 1.5V4.5H8.4',
  import: 'M8 1.5V9.5M5 6.5L8 9.5L11 6.5M2.5 9V14H13.5V9',
  model: 'M8 1.5L13.5 4.5V11.5L8 14.5L2.5 11.5V4.5ZM2.5 4.5L8 7.5L13.5 4.5M8 7.5V14.5',
  output: 'M3.5 1.5H12.5V8M3.5 1.5V14.5H8M8.5 11.5H14M11.8 9L14.2 11.5L11.8 14',
  commit: 'M8 5.3A2.7 2.7 0 1 0 8 10.7A2.7 2.7 0 1 0 8 5.3M1 8H5.3M10.7 8H15',
  environment: 'M2 3H14V10.5H2ZM8 10.5V13.5M5 13.5H11',
};

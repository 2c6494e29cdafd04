/** One line of the Models tree, as plain data. */
export type NodeKind =
  | 'pipeline'
  | 'running'
  | 'model'
  | 'metrics'
  | 'metric'
  | 'gate'
  | 'verdict'
  | 'verification'
  | 'problem'
  | 'data'
  | 'commit'
  | 'environment'
  | 'parameters'
  | 'parameter'
  | 'who';

/** One line of the tree. */
export interface TreeNode {
  /** Stable from one refresh to the next, so that what was open stays open. */
  id: string;
  kind: NodeKind;
  label: string;
  /** Greyed text behind the label. */
  description: string;
  /** Markdown. */
  tooltip: string;
  /** A codicon's name, and a theme colour where it means something. */
  icon: string;
  color?: string;
  children: TreeNode[];
  /** Open when first shown. */
  expanded?: boolean;
  /** What the context menu's commands need. */
  folder: string;
  pipelineFile?: string;
  step?: string;
  record?: string;
  digest?: string;
  /** A file that a click opens. */
  file?: string;
  /** Whether something behind it is damaged or missing that a remote may have. */
  repairable?: boolean;
}

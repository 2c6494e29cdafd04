/** Under what a step runs beyond what its plan says. Only a test of what a result depends on sets any. */

export interface Conditions {
  /** For every program and training, over what mlpipe itself sets. */
  variables?: Readonly<Record<string, string>>;
  /** Words in front of each command. They end by executing it in their own process, so that it can still be ended. */
  before?: readonly string[];
  /** Called with a program's folder when its inputs lie there and nothing has read them. */
  onLaid?: (folder: string) => void;
}

/** A command with what stands in front of it. */
export function commandUnder(conditions: Conditions | undefined, command: readonly string[]): string[] {
  return [...(conditions?.before ?? []), ...command];
}

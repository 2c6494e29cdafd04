/** How replicates are called. No name of the language has a `~`. */

/** `recognise~2` */
export function replicateName(step: string, number: number): string {
  return `${step}~${number}`;
}

export function isReplicate(step: string): boolean {
  return /~\d+$/.test(step);
}

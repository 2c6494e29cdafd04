/** Which word was meant. */

/** Edits between two words: insertions, deletions, replacements and swaps of neighbours (Damerau 1964), ignoring case. */
export function distance(left: string, right: string): number {
  const a = left.toLowerCase();
  const b = right.toLowerCase();
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1] ? 0 : 1;
      let edits = Math.min((last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, (last[column - 1] ?? 0) + same);
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        edits = Math.min(edits, (before[column - 2] ?? 0) + 1);
      }
      current.push(edits);
    }
    before = last;
    last = current;
  }
  return last[b.length] ?? 0;
}

/** The nearest of some words, if it is near enough to have been meant. Of equally near ones the first by the alphabet. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  const limit = word.length < 5 ? 1 : Math.max(2, Math.floor(word.length / 3));
  let best: { word: string; edits: number } | undefined;
  for (const candidate of [...new Set(words)].sort()) {
    const isPrefix = word.length >= 3 && candidate.toLowerCase().startsWith(word.toLowerCase());
    // It takes an edit for each letter that one word has more: most candidates need not be compared at all.
    if (!isPrefix && Math.abs(candidate.length - word.length) > limit) continue;
    const edits = distance(word, candidate);
    if (edits > limit && !isPrefix) continue;
    if (best === undefined || edits < best.edits) best = { word: candidate, edits };
  }
  return best?.word;
}

/** ` Did you mean \`x\`?`, or nothing. */
export function hint(meant: string | undefined): string {
  return meant === undefined ? '' : ` Did you mean \`${meant}\`?`;
}

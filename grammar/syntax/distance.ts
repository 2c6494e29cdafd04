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

/** The nearest of some words, if it is near enough to have been meant. */
export function nearest(word: string, words: Iterable<string>): string | undefined {
  return nearestFirst(word, words)[0];
}

/**
 * The words that may have been meant, the likeliest first: by the number of edits, then slips of the fingers (a letter
 * dropped, doubled or swapped with its neighbour) before other edits, then by case, then by the alphabet.
 */
export function nearestFirst(word: string, words: Iterable<string>): string[] {
  const limit = word.length < 5 ? 1 : Math.max(2, Math.floor(word.length / 3));
  const found: { word: string; rank: readonly number[] }[] = [];
  for (const candidate of new Set(words)) {
    const isPrefix = word.length >= 3 && candidate.toLowerCase().startsWith(word.toLowerCase());
    // It takes an edit for each letter that one word has more: most candidates need not be compared at all.
    if (!isPrefix && Math.abs(candidate.length - word.length) > limit) continue;
    const edits = distance(word, candidate);
    if (edits > limit && !isPrefix) continue;
    const cased = [...candidate].filter((letter, at) => letter !== word[at]).length;
    found.push({ word: candidate, rank: [edits, isSlip(word, candidate) ? 0 : 1, cased] });
  }
  return found
    .sort((one, other) => compared(one.rank, other.rank) || (one.word < other.word ? -1 : 1))
    .map((each) => each.word);
}

function compared(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, index) => value !== other[index]);
  return at < 0 ? 0 : (one[at] ?? 0) - (other[at] ?? 0);
}

/** Whether one letter was dropped, typed twice, or swapped with its neighbour, and nothing else. */
function isSlip(word: string, meant: string): boolean {
  if (word.length === meant.length) return [...word].sort().join('') === [...meant].sort().join('');
  const [short, long] = word.length < meant.length ? [word, meant] : [meant, word];
  if (long.length - short.length !== 1) return false;
  let at = 0;
  while (at < short.length && short[at] === long[at]) at++;
  if (short.slice(at) !== long.slice(at + 1)) return false;
  return short === word || long[at] === long[at - 1];
}

/** ` Did you mean \`x\`?`, or nothing. */
export function hint(meant: string | undefined): string {
  return meant === undefined ? '' : ` Did you mean \`${meant}\`?`;
}

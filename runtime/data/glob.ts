/** Patterns of paths. Our own, because Node's is not stable in every version that we run on. */

/** Whether a path holds a pattern's signs: `*`, `?`, `[…]`, `{…}`. */
export function isGlob(path: string): boolean {
  return /[*?[{]/.test(path);
}

/**
 * The paths that a pattern means, with forward slashes: `*` and `?` stay within a name, `**` as a whole name is any number
 * of folders, `[a-z]` and `[!a-z]` are one character, `{csv,tsv}` is a choice. A bracket that is not closed is
 * itself, and so is a pattern that makes no sense.
 */
export function globExpression(pattern: string): RegExp {
  let expression = '';
  let choices = 0;
  for (let at = 0; at < pattern.length; at++) {
    const sign = pattern[at] ?? '';
    const closing = pattern.indexOf(']', at + 2);
    if (sign === '*' && pattern.slice(at, at + 3) === '**/' && (at === 0 || pattern[at - 1] === '/')) {
      expression += '(?:[^/]+/)*';
      at += 2;
    } else if (sign === '*' && pattern[at + 1] === '*') {
      expression += '.*';
      at++;
    } else if (sign === '*') {
      expression += '[^/]*';
    } else if (sign === '?') {
      expression += '[^/]';
    } else if (sign === '[' && closing > 0) {
      const inside = pattern
        .slice(at + 1, closing)
        .replace(/^!/, '^')
        .replace(/[\\[\]]/g, '\\$&');
      expression += `(?!/)[${inside}]`;
      at = closing;
    } else if (sign === '{' && pattern.indexOf('}', at) > 0) {
      expression += '(?:';
      choices++;
    } else if (sign === '}' && choices > 0) {
      expression += ')';
      choices--;
    } else if (sign === ',' && choices > 0) {
      expression += '|';
    } else {
      expression += sign.replace(/[\\^$.|+()[\]{}]/, '\\$&');
    }
  }
  try {
    return new RegExp(`^${expression}$`, 'u');
  } catch {
    // `[z-a]`, `{a{b}`: no pattern, so it can only be a name.
    return new RegExp(`^${pattern.replace(/[\\^$.|*?+()[\]{}]/g, '\\$&')}$`);
  }
}

/** Names of another tool as names of the language: letters, digits and `_`, each once. */

/** Words that mean something else where a value is named. */
const TAKEN = ['true', 'false', 'secret'];

export class Names {
  readonly #used = new Set<string>(TAKEN);

  /** `prepare-data` → `prepare_data`; `prepare_data_2` where that is taken. */
  give(wanted: string): string {
    const plain = wanted.replaceAll(/[^A-Za-z0-9_]+/g, '_').replaceAll(/^_+|_+$/g, '');
    const base = /^[A-Za-z]/.test(plain) ? plain : `n_${plain}`;
    for (let number = 1; ; number += 1) {
      const name = number === 1 ? base : `${base}_${number}`;
      if (this.#used.has(name)) continue;
      this.#used.add(name);
      return name;
    }
  }
}

/** A text of the language. */
export function quoted(text: string): string {
  return `"${escaped(text)}"`;
}

/** What stands between the quotes, with nothing of it put in. */
export function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\\\')
    .replaceAll('"', '\\"')
    .replaceAll('${', '\\${')
    .replaceAll('\n', '\\n')
    .replaceAll('\r', '\\r')
    .replaceAll('\t', '\\t');
}

/** From what a class column holds to class indices. */

/**
 * Three ways to write a class: the labels of `class(cat, dog)`; the indices 0 … n − 1 of `class(n)`; and any n labels
 * for `class(n)`, whose indices are then their order by code units, whatever the order of the rows.
 */
export class ClassIndex {
  readonly size: number;
  /** `undecided` until the first value of `class(n)` says whether the file holds indices or labels. */
  mode: 'undecided' | 'index' | 'label';
  readonly #labels: string[];
  readonly #byLabel = new Map<string, number>();
  readonly #declared: boolean;
  /** Whether `1` may mean the second label: only where no label is itself a number. */
  readonly #indicesToo: boolean;

  constructor(type: { count?: number; labels?: string[] }) {
    this.#declared = type.labels !== undefined;
    this.#labels = [...(type.labels ?? [])];
    this.size = type.labels?.length ?? type.count ?? 0;
    this.mode = this.#declared ? 'label' : 'undecided';
    for (const [index, label] of this.#labels.entries()) this.#byLabel.set(label, index);
    this.#indicesToo = this.#declared && !this.#labels.some((label) => label.trim() !== '' && !Number.isNaN(+label));
  }

  /** The class that a text means, or `undefined` where it is outside the list. */
  indexOf(text: string): number | undefined {
    if (this.mode === 'undecided') this.mode = wholeNumber(text) === undefined ? 'label' : 'index';
    if (this.mode === 'index') return this.#within(wholeNumber(text));
    const known = this.#byLabel.get(text);
    if (known !== undefined) return known;
    if (this.#declared) return this.#indicesToo ? this.#within(wholeNumber(text)) : undefined;
    if (this.#labels.length >= this.size) return undefined;
    this.#labels.push(text);
    this.#byLabel.set(text, this.#labels.length - 1);
    return this.#labels.length - 1;
  }

  /** The labels so far, in the order of their indices while reading. */
  get labels(): readonly string[] {
    return this.#labels;
  }

  /**
   * The labels in their final order, as many as there are classes, and what to replace the indices that were given
   * while reading with (nothing where they stay).
   */
  finish(): { labels: string[]; replace?: Float32Array } {
    const labels = this.#labels.slice();
    let replace: Float32Array | undefined;
    if (!this.#declared && this.mode === 'label') {
      labels.sort(byCodeUnits);
      const position = new Map(labels.map((label, index) => [label, index]));
      replace = Float32Array.from(this.#labels, (label) => position.get(label) ?? Number.NaN);
    }
    while (labels.length < this.size) labels.push(String(labels.length));
    return replace === undefined ? { labels } : { labels, replace };
  }

  /** What a value should be, for a message. */
  get expected(): string {
    if (this.#declared) return `one of ${listed(this.#labels)}`;
    if (this.mode === 'label') return `one of at most ${this.size} classes (so far ${listed(this.#labels)})`;
    return `a class index from 0 to ${this.size - 1}`;
  }

  #within(index: number | undefined): number | undefined {
    return index !== undefined && index >= 0 && index < this.size ? index : undefined;
  }
}

/** Order by UTF-16 code units: the same on every machine and in every locale. */
export function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function wholeNumber(text: string): number | undefined {
  return /^[-+]?\d+(?:\.0*)?$/.test(text) ? Number(text) : undefined;
}

function listed(labels: readonly string[]): string {
  const shown = labels.slice(0, 12).join(', ');
  return labels.length > 12 ? `${shown}, …` : shown;
}

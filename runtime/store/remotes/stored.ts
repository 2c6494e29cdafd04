/** Whether a remote has an object, and has it right, in whichever way it keeps it. Nothing is stored here. */
import { digestOf } from '../../../grammar/plan/canonical.ts';
import type { Digest } from '../../../grammar/plan/plan.ts';
import { PackBook } from './book.ts';
import { isDamage } from './failure.ts';
import { nameOf } from './names.ts';
import { readRange } from './ranges.ts';
import { isWhole } from './receive.ts';
import { spanAt } from './receive-packed.ts';
import { isWholeByRecipe, readRecipe } from './recipes.ts';
import type { Line } from './transfer.ts';

export class RemoteObjects {
  readonly #line: Line;
  readonly #book: PackBook;

  /** @param store the `.mlpipe` folder, in which copies of indexes are kept */
  constructor(store: string, line: Line) {
    this.#line = line;
    this.#book = new PackBook(store, line);
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.#wayTo(digest)) !== undefined;
  }

  /** Reads all of it. */
  async isWhole(digest: Digest): Promise<boolean> {
    try {
      return await this.#isWhole(digest);
    } catch (error) {
      if (isDamage(error)) return false;
      throw error;
    }
  }

  async #isWhole(digest: Digest): Promise<boolean> {
    const { signal } = this.#line;
    switch (await this.#wayTo(digest)) {
      case undefined:
        return false;
      case 'loose':
        return isWhole(this.#line, digest);
      case 'recipe': {
        const recipe = await readRecipe(this.#line, digest, signal);
        return typeof recipe !== 'string' && isWholeByRecipe(recipe, this.#line, signal);
      }
      case 'packed': {
        const place = await this.#book.certainObject(digest);
        const content = place && (await readRange(this.#line, spanAt(place), signal));
        return content !== undefined && digestOf(content) === digest;
      }
    }
  }

  async #wayTo(digest: Digest): Promise<'loose' | 'recipe' | 'packed' | undefined> {
    const there = async (name: string) =>
      (await this.#line.attempt(({ signal }) => this.#line.driver.head(name, signal))) !== undefined;
    if (await there(nameOf('objects', digest))) return 'loose';
    if (this.#line.chunking === undefined) return undefined;
    if (await there(nameOf('recipes', digest))) return 'recipe';
    await this.#book.loadAll();
    return (await this.#book.certainObject(digest)) === undefined ? undefined : 'packed';
  }
}

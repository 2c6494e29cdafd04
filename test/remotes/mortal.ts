import type { Content, GetOptions, Listed, RemoteDriver } from '../../runtime/store/remotes/driver.ts';

/** A process that is killed after so many calls: from then on nothing that it asks for is done. */
export class Mortal implements RemoteDriver {
  readonly address = 'memory';
  readonly abilities: RemoteDriver['abilities'];
  readonly #inner: RemoteDriver;
  readonly #before: (name: string) => Promise<void>;
  left: number;

  constructor(inner: RemoteDriver, left = Number.POSITIVE_INFINITY, before = async (_name: string) => {}) {
    this.#inner = inner;
    this.left = left;
    this.#before = before;
    this.abilities = inner.abilities;
  }

  async *list(prefix: string): AsyncGenerator<Listed> {
    await this.#turn(prefix);
    yield* this.#inner.list(prefix);
  }

  async head(name: string) {
    await this.#turn(name);
    return this.#inner.head(name);
  }

  async get(name: string, options?: GetOptions) {
    await this.#turn(name);
    return this.#inner.get(name, options);
  }

  async put(name: string, content: Content, options?: { replace?: boolean }) {
    await this.#turn(name);
    return this.#inner.put(name, content, options);
  }

  async delete(name: string) {
    await this.#turn(name);
    await this.#inner.delete(name);
  }

  async settle() {}
  async close() {}

  async #turn(name: string): Promise<void> {
    await this.#before(name);
    this.left -= 1;
    if (this.left < 0) throw new Error('killed');
  }
}

/** What the server asks of the world outside the text. Handed in at the start, so that this floor does no I/O itself. */

export interface World {
  facts: unknown;
}

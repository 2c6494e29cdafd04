/** One record of a delimited file, the careful way: quotes, doubled quotes, line breaks inside them. */

export const LINE_FEED = 10;
export const CARRIAGE_RETURN = 13;
export const QUOTE = 34;

export interface RecordEnd {
  /** Just after the record's line end. */
  position: number;
  /** Line ends that the record contains, its own included. */
  lines: number;
}

/**
 * Splits the record at `start` into `fields`, which is emptied first. A field that begins with a quote ends at the next
 * quote that is not doubled; elsewhere quotes are ordinary characters.
 *
 * @returns `undefined` where `end` comes before the record's line end
 */
export function readRecord(
  bytes: Buffer,
  start: number,
  end: number,
  delimiter: number,
  fields: string[],
): RecordEnd | undefined {
  fields.length = 0;
  let position = start;
  let lines = 1;
  for (;;) {
    let text = '';
    if (bytes[position] === QUOTE) {
      let from = ++position;
      for (;;) {
        const quote = bytes.indexOf(QUOTE, from);
        if (quote < 0 || quote + 1 >= end) return undefined;
        text += bytes.toString('utf8', position, quote);
        if (bytes[quote + 1] !== QUOTE) {
          position = quote + 1;
          break;
        }
        text += '"';
        from = quote + 2;
        position = from;
      }
      for (let index = 0; index < text.length; index++) if (text.charCodeAt(index) === LINE_FEED) lines++;
    }
    const from = position;
    while (position < end) {
      const byte = bytes[position];
      if (byte === delimiter || byte === LINE_FEED || byte === CARRIAGE_RETURN) break;
      position++;
    }
    if (position >= end) return undefined;
    fields.push(position > from ? text + bytes.toString('utf8', from, position) : text);
    const byte = bytes[position];
    position++;
    if (byte === delimiter) continue;
    if (byte === CARRIAGE_RETURN) {
      if (position >= end) return undefined;
      if (bytes[position] === LINE_FEED) position++;
    }
    return { position, lines };
  }
}

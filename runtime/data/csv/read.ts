/** Delimited text into columns: the file passes through one buffer, its numbers go straight to where they stay. */

import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import type { ColumnPlan } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import type { TableBuilder } from '../builder.ts';
import { layoutByNames, layoutByPosition } from '../layout.ts';
import { detectDialect } from './dialect.ts';
import { type Lane, makeLane, refreshLane, scanLane } from './lane.ts';
import { CARRIAGE_RETURN, LINE_FEED, readRecord } from './record.ts';

const BUFFER = 1 << 20;
/** A record longer than this is a quote that was never closed. */
const LONGEST_RECORD = 1 << 26;

export interface CsvSource {
  /** Where it lies on this machine. */
  path: string;
  /** As a person knows it. */
  name: string;
  /** Relative to the folder or glob it is part of; absent for a single file. */
  part?: string;
}

export interface ReadOptions {
  signal?: AbortSignal | undefined;
  /** Called with bytes of the file as they are read. */
  onBytes?: ((bytes: number) => void) | undefined;
}

/** Appends a file's rows. Every file of a glob may have its own dialect and its own order of columns. */
export async function readCsv(
  source: CsvSource,
  schema: ColumnPlan[],
  builder: TableBuilder,
  options: ReadOptions,
): Promise<void> {
  const input = await openInput(source.path, options);
  try {
    await new CsvReader(source, schema, builder, input, options).read();
  } finally {
    await input.close();
  }
}

class CsvReader {
  readonly #source: CsvSource;
  readonly #schema: ColumnPlan[];
  readonly #builder: TableBuilder;
  readonly #input: Input;
  readonly #options: ReadOptions;
  /** One byte longer than it is filled: a zero stands at `#end`. */
  #bytes = Buffer.alloc(BUFFER + 1);
  #position = 0;
  #end = 0;
  #finished = false;
  #line = 1;
  readonly #fields: string[] = [];

  constructor(source: CsvSource, schema: ColumnPlan[], builder: TableBuilder, input: Input, options: ReadOptions) {
    this.#source = source;
    this.#schema = schema;
    this.#builder = builder;
    this.#input = input;
    this.#options = options;
  }

  async read(): Promise<void> {
    while (!this.#finished && this.#end < BUFFER) await this.#fill();
    if (this.#end === 0) {
      if (this.#builder.columnNames.length === 0) this.#reportMissingColumns();
      return;
    }
    const lane = this.#begin();
    if (lane === undefined) return;
    this.#expectRows();
    for (;;) {
      this.#scan(lane);
      if (this.#finished || this.#builder.full) return;
      await this.#fill();
    }
  }

  /** Finds the dialect and the columns; nothing where the file has no use for a person before it is mended. */
  #begin(): Lane | undefined {
    const { delimiter, start, header, width } = detectDialect(this.#bytes, this.#end, this.#source.name, this.#schema);
    this.#position = start;
    this.#skipBlankLines();
    if (header !== undefined) this.#record(delimiter);
    const layout = header === undefined ? layoutByPosition(this.#schema, width) : layoutByNames(this.#schema, header);
    const builder = this.#builder;
    if (builder.columnNames.length === 0)
      builder.columnNames = header ?? Array.from({ length: width }, (_, index) => `column${index + 1}`);
    for (const problem of layout.problems) builder.report(problem, this.#place(problem.line));
    return makeLane(delimiter, layout, builder);
  }

  /** Room by the size of the rest and the length of the first rows, so that columns need not grow. */
  #expectRows(): void {
    const sample = this.#bytes.subarray(this.#position, this.#end);
    let lines = 0;
    for (let at = sample.indexOf(LINE_FEED); at >= 0; at = sample.indexOf(LINE_FEED, at + 1)) lines++;
    if (lines === 0) return;
    const rest = this.#finished ? sample.length : Math.max(this.#input.size - this.#position, sample.length);
    const estimate = Math.ceil((rest / sample.length) * lines);
    this.#builder.expect(this.#builder.row + (this.#finished ? lines : Math.ceil(estimate * 1.03) + 16));
  }

  #scan(lane: Lane): void {
    const builder = this.#builder;
    for (;;) {
      // No room is made before there is a row for it.
      this.#skipBlankLines();
      if (this.#position >= this.#end) return;
      if (builder.row >= builder.capacity) {
        if (builder.full) return;
        builder.makeRoom();
      }
      const rows = scanLane(lane, this.#bytes, this.#position, builder);
      this.#position = lane.position;
      this.#line += rows;
      builder.row += rows;
      if (builder.row >= builder.capacity || this.#skipBlankLines() || this.#position >= this.#end) continue;
      const line = this.#line;
      if (!this.#record(lane.delimiter)) return;
      this.#write(lane, line);
      refreshLane(lane);
    }
  }

  /** Reads one record into `#fields`; false where the buffer ends before it does. */
  #record(delimiter: number): boolean {
    const record = readRecord(this.#bytes, this.#position, this.#end, delimiter, this.#fields);
    if (record === undefined) {
      if (this.#finished || this.#end - this.#position >= LONGEST_RECORD)
        throw new MlpipeError(`${this.#source.name}, line ${this.#line}: a quote is opened and never closed.`, {
          code: 'data-quote',
          todo: 'Close the quote, or double it where it is part of the text.',
        });
      return false;
    }
    this.#position = record.position;
    this.#line += record.lines;
    return true;
  }

  #write(lane: Lane, line: number): void {
    const builder = this.#builder;
    const fields = this.#fields;
    const place = this.#place(line);
    if (fields.length !== lane.width)
      builder.report(
        { kind: 'wrong-width', found: String(fields.length), expected: `${lane.width} as in the first line` },
        place,
      );
    for (let field = 0; field < lane.width; field++) {
      const writer = lane.writer[field];
      if (writer === undefined) continue;
      const slot = lane.slot[field] ?? 0;
      const text = fields[field];
      if (text === undefined) {
        writer.refuse(builder.row, slot, 'missing-value', '');
        continue;
      }
      const problem = writer.writeText(builder.row, slot, text);
      if (problem !== undefined) builder.report(problem, place);
    }
    builder.row++;
  }

  #skipBlankLines(): boolean {
    const start = this.#position;
    for (;;) {
      const byte = this.#bytes[this.#position];
      if (this.#position < this.#end && byte === LINE_FEED) this.#position++;
      else if (byte === CARRIAGE_RETURN && this.#bytes[this.#position + 1] === LINE_FEED) this.#position += 2;
      else return this.#position > start;
      this.#line++;
    }
  }

  /** Moves what is not read yet to the front and fills up behind it. */
  async #fill(): Promise<void> {
    this.#options.signal?.throwIfAborted();
    if (this.#position > 0) {
      this.#bytes.copyWithin(0, this.#position, this.#end);
      this.#end -= this.#position;
      this.#position = 0;
    }
    if (this.#bytes.length - 2 - this.#end < BUFFER / 4) {
      const larger = Buffer.alloc(this.#bytes.length * 2);
      this.#bytes.copy(larger, 0, 0, this.#end);
      this.#bytes = larger;
    }
    // Room is left for the line end that a last line may lack, and for the zero.
    const read = await this.#input.read(this.#bytes, this.#end, this.#bytes.length - 2 - this.#end);
    this.#end += read;
    if (read === 0) {
      this.#finished = true;
      const last = this.#bytes[this.#end - 1];
      if (this.#end > 0 && last !== LINE_FEED) this.#bytes[this.#end++] = LINE_FEED;
    }
    this.#bytes[this.#end] = 0;
  }

  #place(line: number | undefined): { file?: string; line?: number } {
    return {
      ...(this.#source.part === undefined ? {} : { file: this.#source.part }),
      ...(line === undefined ? {} : { line }),
    };
  }

  #reportMissingColumns(): void {
    for (const column of this.#schema)
      this.#builder.report(
        { kind: 'missing-column', column: column.name, expected: 'columns; the file is empty' },
        this.#place(undefined),
      );
  }
}

interface Input {
  /** Bytes of text, as far as they can be told. */
  size: number;
  /** Fills `into` from `offset` on; 0 at the end. */
  read(into: Buffer, offset: number, length: number): Promise<number>;
  close(): Promise<void>;
}

async function openInput(path: string, options: ReadOptions): Promise<Input> {
  return /\.gz$/i.test(path) ? openGzip(path, options) : openPlain(path, options);
}

async function openPlain(path: string, options: ReadOptions): Promise<Input> {
  const handle = await open(path);
  const { size } = await handle.stat();
  return {
    size,
    async read(into, offset, length) {
      const { bytesRead } = await handle.read(into, offset, length);
      options.onBytes?.(bytesRead);
      return bytesRead;
    },
    close: () => handle.close(),
  };
}

async function openGzip(path: string, options: ReadOptions): Promise<Input> {
  const { size } = await stat(path);
  const file = createReadStream(path, { highWaterMark: 1 << 18 });
  const text = createGunzip({ chunkSize: 1 << 18 });
  file.on('data', (chunk) => options.onBytes?.(chunk.length));
  file.on('error', (error) => text.destroy(error));
  file.pipe(text);
  const chunks = text.iterator({ destroyOnReturn: true });
  let chunk = Buffer.alloc(0);
  return {
    // Numbers as text shrink to about a third.
    size: size * 3,
    async read(into, offset, length) {
      while (chunk.length === 0) {
        const next = await chunks.next();
        if (next.done) return 0;
        chunk = next.value;
      }
      const copied = chunk.copy(into, offset, 0, Math.min(length, chunk.length));
      chunk = chunk.subarray(copied);
      return copied;
    },
    async close() {
      file.destroy();
      text.destroy();
    },
  };
}

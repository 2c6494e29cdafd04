/** How the command line speaks: data to stdout, talk to stderr, colour only where somebody looks. */
import { styleText } from 'node:util';
import { EXIT, type ExitCode, MlpipeError } from '../errors.ts';

export interface Output {
  json: boolean;
  quiet: boolean;
  verbose: boolean;
  debug: boolean;
}

type Style = Parameters<typeof styleText>[0];

/** Colours a text for stderr (talk) or stdout (data), as that stream and the environment allow. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stderr): string {
  return styleText(style, text, { stream });
}

/** One JSON document and nothing else, or the text. */
export function answer(output: Output, value: unknown, text: () => string): void {
  const content = output.json ? `${JSON.stringify(value, undefined, 2)}\n` : text();
  if (content !== '') process.stdout.write(content.endsWith('\n') ? content : `${content}\n`);
}

export function talk(output: Output, text: string): void {
  if (!output.quiet) process.stderr.write(`${text}\n`);
}

/** How a project says what it did unasked (`fetched 3 objects from origin`), and what is not as it should be. */
export function telling(output: Output): Record<'tell' | 'warn', (message: string) => void> {
  return { tell: (message) => talk(output, paint('gray', message)), warn: (message) => talk(output, message) };
}

/** What failed, where, why, and what to do next; a stack trace only where it is asked for. */
export function reportError(error: unknown, debug: boolean): ExitCode {
  if (error instanceof MlpipeError) {
    const place = error.where ? `${error.where.file}:${error.where.line}:${error.where.column}: ` : '';
    process.stderr.write(`${paint('red', 'mlpipe:')} ${place}${error.message}\n`);
    if (error.todo) process.stderr.write(`  Next: ${error.todo}\n`);
    if (debug && error.stack) process.stderr.write(`${error.stack}\n`);
    return error.exit;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${paint('red', 'mlpipe:')} ${message}\n`);
  if (isSystemError(error) && !debug) {
    // The disk says no: the message names the path, and nothing is wrong with mlpipe.
    process.stderr.write('  Next: check that this path is what is meant, and may be read and written.\n');
    return EXIT.usage;
  }
  if (debug && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  else
    process.stderr.write('  Next: this is a fault of mlpipe; run it again with --debug and report what it prints.\n');
  return EXIT.usage;
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'path' in error;
}

/** Columns, as wide as they must be. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows)
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, visible(cell));
  return rows
    .map((row) =>
      row
        .map((cell, index) =>
          index === row.length - 1 ? cell : cell + ' '.repeat((widths[index] ?? 0) - visible(cell)),
        )
        .join('  '),
    )
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

function visible(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters.
  return text.replace(/\u001b\[[0-9;]*m/g, '').length;
}

/** `12.3 s`, `4 min 05 s` */
export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, '0')} s`;
}

/** `sha256:` and 12 digits: enough to name it by. */
export function shortDigest(digest: string): string {
  return digest.slice(7, 19);
}

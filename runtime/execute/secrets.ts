/** Keeps secrets off the screen, the log and the record. */
import type { CommandPart, ProgramStep } from '../../grammar/plan/plan.ts';
import { MlpipeError } from '../errors.ts';

/** Names of the secrets that a step uses, in its command and its variables. */
export function secretsOf(step: ProgramStep): string[] {
  const parts: CommandPart[] = [...step.command, ...Object.values(step.variables).flat()];
  return [...new Set(parts.flatMap((part) => (part.kind === 'secret' ? [part.name] : [])))].sort();
}

/**
 * Reads secrets from the caller's environment variables.
 *
 * @throws MlpipeError `secret-missing`
 */
export function readSecrets(names: readonly string[], environment: NodeJS.ProcessEnv): Record<string, string> {
  const values: Record<string, string> = {};
  for (const name of names) {
    const value = environment[name];
    if (value === undefined || value === '') {
      throw new MlpipeError(`The secret ${name} is not set.`, {
        code: 'secret-missing',
        todo: `Set the environment variable ${name} where mlpipe is started.`,
      });
    }
    values[name] = value;
  }
  return values;
}

/** Replaces each secret, also as a URL or base64 would spell it, by its name. */
export function masker(secrets: Record<string, string>): (text: string) => string {
  const spellings: [string, string][] = [];
  for (const [name, value] of Object.entries(secrets)) {
    const lines = value.split(/\r?\n/).filter((line) => line.length >= 4);
    const forms = new Set([value, encodeURIComponent(value), Buffer.from(value).toString('base64'), ...lines]);
    for (const form of forms) if (form.length > 0) spellings.push([form, `[secret ${name}]`]);
  }
  // The longest first, so that a secret that holds another does not leave its rest behind.
  spellings.sort(([one], [other]) => other.length - one.length);
  if (spellings.length === 0) return (text) => text;
  return (text) => spellings.reduce((masked, [form, name]) => masked.replaceAll(form, name), text);
}

/** A line longer than this is passed on in pieces. */
const LONGEST_LINE = 65_536;

/**
 * Cuts a stream of text into lines, so that a secret that two chunks share is still seen whole.
 *
 * @returns takes a chunk; without one, passes on what is left
 */
export function lineBuffer(onLine: (line: string) => void): (chunk?: string) => void {
  let rest = '';
  return (chunk) => {
    if (chunk === undefined) {
      if (rest !== '') onLine(rest);
      rest = '';
      return;
    }
    const lines = (rest + chunk).split(/(?<=\n)/);
    rest = '';
    const last = lines.at(-1);
    if (last !== undefined && !last.endsWith('\n') && last.length < LONGEST_LINE) rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  };
}

/** `${train.rate}` in dvc.yaml: what DVC puts there. */
import { EXIT, MlpipeError } from '../../errors.ts';
import { isNumber, type Yaml } from '../yaml.ts';

/** The names that a template may use, and their values. */
export type Context = ReadonlyMap<string, Yaml>;

/** A piece of a command: as it stands there, or what a name of the parameters stands for. */
export type TextPart = { kind: 'text'; text: string } | { kind: 'value'; key: string; text: string };

const PLACEHOLDER = /(\\?)\$\{([^}]*)\}/g;

/**
 * A text with everything put in.
 *
 * @throws MlpipeError `dvc-template`
 */
export function expand(text: string, context: Context): string {
  return expandParts(text, context)
    .map((part) => part.text)
    .join('');
}

/** The same in pieces. @throws MlpipeError `dvc-template` */
export function expandParts(text: string, context: Context): TextPart[] {
  const parts: TextPart[] = [];
  let end = 0;
  for (const match of text.matchAll(PLACEHOLDER)) {
    const [whole, escaped, key = ''] = match;
    if (match.index > end) parts.push({ kind: 'text', text: text.slice(end, match.index) });
    end = match.index + whole.length;
    if (escaped === '\\') parts.push({ kind: 'text', text: whole.slice(1) });
    else parts.push({ kind: 'value', key: key.trim(), text: textOf(valueAt(key.trim(), context), key) });
  }
  if (end < text.length) parts.push({ kind: 'text', text: text.slice(end) });
  return parts;
}

/** A value, where the text is nothing but a placeholder; else the text. @throws MlpipeError `dvc-template` */
export function expandValue(value: Yaml, context: Context): Yaml {
  if (typeof value === 'string') {
    const [, key] = /^\$\{([^}]*)\}$/.exec(value) ?? [];
    return key === undefined ? expand(value, context) : valueAt(key.trim(), context);
  }
  if (Array.isArray(value)) return value.map((each) => expandValue(each, context));
  if (value instanceof Map) {
    return new Map([...value].map(([name, each]) => [expand(name, context), expandValue(each, context)]));
  }
  return value;
}

/** `train.layers[0].units` */
function valueAt(key: string, context: Context): Yaml {
  const steps = key.replaceAll(/\[(\d+)\]/g, '.$1').split('.');
  let at: Yaml | undefined = context as Map<string, Yaml>;
  for (const step of steps) {
    if (at instanceof Map) at = at.get(step);
    else if (Array.isArray(at)) at = at[Number(step)];
    else at = undefined;
    if (at === undefined) {
      throw templateError(`\${${key}} means nothing: no parameter and no variable is called so`);
    }
  }
  return at ?? null;
}

/** As Python writes it. */
export function textOf(value: Yaml, key: string): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (isNumber(value)) return /^[-+]?\d+$/.test(value.source) ? String(BigInt(value.source)) : pythonFloat(value.value);
  throw templateError(`\${${key}} is a list, a map or nothing, which is not put into texts here`);
}

/** The shortest text that is read back as the same number, as `repr` of Python writes it. */
export function pythonFloat(value: number): string {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const [mantissa = '', exponent = '0'] = value.toExponential().split('e');
  const power = Number(exponent);
  if (value !== 0 && (power < -4 || power >= 16)) {
    return `${mantissa}e${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`;
  }
  const text = String(value);
  return Object.is(value, -0) ? '-0.0' : /^-?\d+$/.test(text) ? `${text}.0` : text;
}

export function templateError(why: string): MlpipeError {
  return new MlpipeError(`dvc.yaml cannot be expanded: ${why}.`, {
    code: 'dvc-template',
    todo: 'Write in dvc.yaml what is meant, or run `dvc repro` first: what dvc.lock says is taken, too.',
    exit: EXIT.usage,
  });
}

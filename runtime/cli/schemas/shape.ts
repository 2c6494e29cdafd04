/** The words in which the shapes of `--json` are written. */
export type Schema = Record<string, unknown>;

export const text: Schema = { type: 'string' };
export const number: Schema = { type: 'number' };
export const flag: Schema = { type: 'boolean' };
export const digest: Schema = { type: 'string', pattern: '^sha256:[0-9a-f]{64}$' };
export const orNull = (schema: Schema): Schema => ({ anyOf: [schema, { type: 'null' }] });
/** A number that may not be known. */
export const orNone = orNull(number);
export const list = (items: Schema): Schema => ({ type: 'array', items });
export const map = (values: Schema): Schema => ({ type: 'object', additionalProperties: values });
export const oneOf = (...values: string[]): Schema => ({ enum: values });

/** Everything named is required, but what is in `optional`. */
export function object(properties: Record<string, Schema>, optional: string[] = []): Schema {
  return { type: 'object', properties, required: Object.keys(properties).filter((name) => !optional.includes(name)) };
}

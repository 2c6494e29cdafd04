/** Of whether all is whole, who signs, and how logs travel. */
import { scheme } from './record.ts';
import { digest, flag, list, map, number, object, oneOf, orNone, text } from './shape.ts';

export const verification = object(
  {
    ok: flag,
    objects: number,
    records: number,
    signatures: number,
    locks: number,
    logs: list(
      object({
        writer: text,
        key: text,
        entries: number,
        elsewhere: number,
        checkpoints: object({ here: orNone, published: orNone, left: orNone }),
      }),
    ),
    standing: map(number),
    countersigned: number,
    problems: list(
      object({ code: text, message: text, todo: text, repairable: flag, digest, path: text }, ['digest', 'path']),
    ),
    notes: list(text),
    repair: object({
      repaired: list(object({ digest, from: text })),
      lost: list(digest),
      setAside: list(digest),
      asked: list(text),
      silent: list(object({ remote: text, why: text })),
    }),
  },
  ['repair'],
);

export const keys = list(
  object(
    {
      key: text,
      public: text,
      type: text,
      state: oneOf('trusted', 'replaced', 'revoked', 'untrusted'),
      own: oneOf('signing', 'kept'),
      name: text,
      email: text,
      from: text,
      until: text,
      revoked: object({ at: text, reason: text, logs: map(number) }, ['reason']),
      logs: list(text),
    },
    ['own', 'name', 'email', 'from', 'until', 'revoked'],
  ),
);

export const changedKeys = object({ written: list(text) });

export const signed = list(
  object({
    record: digest,
    run: text,
    step: text,
    added: list(object({ key: text, scheme })),
  }),
);

export const published = list(object({ writer: text, entries: number, added: number, commit: text }));

export const mended = object({ records: number });

export const pushedLogs = object({ remote: text, refs: list(text) });

export const fetchedLogs = object({ remote: text, records: number, writers: list(text), problems: list(text) });

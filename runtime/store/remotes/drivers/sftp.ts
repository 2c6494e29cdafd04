/**
 * As much of the SFTP protocol, version 3, as a remote needs, over any pair of streams (draft-ietf-secsh-filexfer-02, with
 * OpenSSH's extensions as its PROTOCOL file has them). Many requests are under way at once; answers come in any order.
 */
import type { Readable, Writable } from 'node:stream';
import { RemoteFault } from '../driver.ts';

const INIT = 1;
const VERSION = 2;
export const OPEN = 3;
export const CLOSE = 4;
export const READ = 5;
export const WRITE = 6;
export const OPENDIR = 11;
export const READDIR = 12;
export const REMOVE = 13;
export const MKDIR = 14;
export const STAT = 17;
export const RENAME = 18;
export const EXTENDED = 200;
const STATUS = 101;
const HANDLE = 102;
const DATA = 103;
const NAME = 104;
const ATTRIBUTES = 105;

export const OK = 0;
export const END_OF_FILE = 1;
export const NO_SUCH_FILE = 2;
export const PERMISSION_DENIED = 3;
export const FAILURE = 4;

export const FOR_READING = 1;
/** Writing, made anew, refused where the name is taken. */
export const FOR_NEW = 2 | 8 | 32;

export interface Attributes {
  bytes: number;
  folder: boolean;
}

export type Reply =
  | { kind: 'status'; code: number; message: string }
  | { kind: 'handle'; handle: Buffer }
  | { kind: 'data'; data: Buffer }
  | { kind: 'names'; names: { name: string; attributes: Attributes }[] }
  | { kind: 'attributes'; attributes: Attributes };

export interface Sftp {
  /** What the server can do beyond the protocol. */
  readonly extensions: ReadonlySet<string>;
  request(type: number, ...fields: (Buffer | string)[]): Promise<Reply>;
}

/** @throws RemoteFault where the other side speaks no SFTP, or goes away */
export function speakSftp(input: Readable, output: Writable): Promise<Sftp> & { fail: (error: unknown) => void } {
  const waiting = new Map<number, { resolve: (reply: Reply) => void; reject: (error: unknown) => void }>();
  let next = 1;
  let broken: { error: unknown } | undefined;
  let ready: (sftp: Sftp) => void = () => undefined;
  let refuse: (error: unknown) => void = () => undefined;
  const opened = new Promise<Sftp>((resolve, reject) => {
    ready = resolve;
    refuse = reject;
  });
  const fail = (error: unknown): void => {
    broken ??= { error };
    refuse(error);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const request = (type: number, ...fields: (Buffer | string)[]): Promise<Reply> => {
    if (broken) return Promise.reject(broken.error);
    const id = next++;
    return new Promise((resolve, reject) => {
      waiting.set(id, { resolve, reject });
      output.write(packet(type, uint32(id), ...fields));
    });
  };
  const receive = (body: Buffer): void => {
    if (body[0] === VERSION) {
      ready({ extensions: extensionsIn(body.subarray(5)), request });
      return;
    }
    const id = body.readUInt32BE(1);
    const asked = waiting.get(id);
    waiting.delete(id);
    asked?.resolve(replyIn(body));
  };
  let rest: Buffer = Buffer.alloc(0);
  input.on('data', (chunk: Buffer) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    try {
      while (rest.length >= 4) {
        const length = rest.readUInt32BE(0);
        if (length > 2 ** 20) throw new RemoteFault('it does not speak SFTP', 'refused');
        if (rest.length < 4 + length) break;
        receive(rest.subarray(4, 4 + length));
        rest = rest.subarray(4 + length);
      }
    } catch (error) {
      fail(error);
    }
  });
  output.on('error', fail);
  output.write(packet(INIT, uint32(3)));
  return Object.assign(opened, { fail });
}

/** A string of the protocol, its length in front. */
export function text(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  return Buffer.concat([uint32(bytes.length), bytes]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

export function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

function packet(type: number, ...fields: (Buffer | string)[]): Buffer {
  const body = Buffer.concat([
    Buffer.of(type),
    ...fields.map((field) => (typeof field === 'string' ? text(field) : field)),
  ]);
  return Buffer.concat([uint32(body.length), body]);
}

function extensionsIn(body: Buffer): Set<string> {
  const reader = new Reader(body);
  const names = new Set<string>();
  while (!reader.ended) {
    names.add(reader.text().toString('utf8'));
    reader.text();
  }
  return names;
}

function replyIn(body: Buffer): Reply {
  const reader = new Reader(body.subarray(5));
  switch (body[0]) {
    case STATUS:
      return {
        kind: 'status',
        code: reader.uint32(),
        message: reader.ended ? '' : reader.text().toString('utf8'),
      };
    case HANDLE:
      return { kind: 'handle', handle: reader.text() };
    case DATA:
      return { kind: 'data', data: reader.text() };
    case ATTRIBUTES:
      return { kind: 'attributes', attributes: reader.attributes() };
    case NAME: {
      const names = Array.from({ length: reader.uint32() }, () => {
        const name = reader.text().toString('utf8');
        reader.text();
        return { name, attributes: reader.attributes() };
      });
      return { kind: 'names', names };
    }
    default:
      throw new RemoteFault(`it answers with ${body[0]}, which SFTP does not know`, 'refused');
  }
}

const FOLDER = 0o040000;
const FILE_KIND = 0o170000;

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get ended(): boolean {
    return this.#at >= this.#bytes.length;
  }

  uint32(): number {
    this.#at += 4;
    return this.#bytes.readUInt32BE(this.#at - 4);
  }

  text(): Buffer {
    const length = this.uint32();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  attributes(): Attributes {
    const flags = this.uint32();
    let bytes = 0;
    let mode = 0;
    if (flags & 1) {
      bytes = Number(this.#bytes.readBigUInt64BE(this.#at));
      this.#at += 8;
    }
    if (flags & 2) this.#at += 8;
    if (flags & 4) mode = this.uint32();
    if (flags & 8) this.#at += 8;
    if (flags & 0x80000000) {
      for (let count = this.uint32(); count > 0; count -= 1) {
        this.text();
        this.text();
      }
    }
    return { bytes, folder: (mode & FILE_KIND) === FOLDER };
  }
}

/**
 * A folder behind SSH. The machine's own `ssh` makes the connection, so that keys, agents, jump hosts and known hosts are
 * those of every other tool; over it goes SFTP, which knows ranges, hard links and fsync.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { EXIT, MlpipeError } from '../../../errors.ts';
import { type Content, type GetOptions, type PutOptions, type RemoteDriver, RemoteFault } from '../driver.ts';
import * as sftp from './sftp.ts';

/** Every server takes so much in one packet. */
const PIECE = 32_768;
/** Pieces of one file under way at once: a line of 100 ms then still carries 20 MB/s. */
const AHEAD = 64;

export function openSsh(url: string): RemoteDriver {
  return new SshDriver(url);
}

interface Connection {
  sftp: sftp.Sftp;
  process: ChildProcess;
}

class SshDriver implements RemoteDriver {
  readonly address: string;
  readonly abilities = { list: true, write: true, pageSize: 1000, concurrency: { first: 8, most: 32 } };
  readonly #words: string[];
  readonly #folder: string;
  readonly #folders = new Set<string>();
  #connection: Promise<Connection> | undefined;

  constructor(url: string) {
    this.address = url;
    const { username, hostname, port, pathname } = new URL(url.replace(/^sftp:/i, 'ssh:'));
    const user = decodeURIComponent(username);
    // What begins with a dash would be an option to ssh, and may run a program.
    if (hostname === '' || hostname.startsWith('-') || user.startsWith('-')) {
      throw new MlpipeError(`${url} names no host.`, {
        code: 'remote-address',
        todo: 'Write ssh://USER@HOST/FOLDER.',
        exit: EXIT.usage,
      });
    }
    // `/~/models` lies in the home folder, where SFTP begins.
    this.#folder = decodeURIComponent(pathname)
      .replace(/^\/~\//, '')
      .replace(/\/+$/, '');
    this.#words = [
      ...['-o', 'BatchMode=yes', '-o', 'ServerAliveInterval=15', '-o', 'ConnectTimeout=30'],
      ...(port === '' ? [] : ['-p', port]),
      ...(user === '' ? [] : ['-l', user]),
      ...['-s', '--', hostname, 'sftp'],
    ];
  }

  async *list(prefix: string) {
    const at = prefix.lastIndexOf('/') + 1;
    yield* this.#below(prefix.slice(0, at), prefix.slice(at));
  }

  async *#below(folder: string, beginning: string): AsyncGenerator<{ name: string; bytes: number }> {
    const { sftp: line } = await this.#connected();
    const opened = await line.request(sftp.OPENDIR, this.#path(folder));
    if (isStatus(opened, sftp.NO_SUCH_FILE)) return;
    const handle = handleOf(opened);
    try {
      for (;;) {
        const answer = await line.request(sftp.READDIR, sftp.text(handle));
        if (isStatus(answer, sftp.END_OF_FILE)) return;
        if (answer.kind !== 'names') throw faultOf(answer);
        for (const { name, attributes } of answer.names) {
          const whole = `${folder}${name}`;
          if (name === '.' || name === '..' || !name.startsWith(beginning) || whole === 'tmp') continue;
          if (attributes.folder) yield* this.#below(`${whole}/`, '');
          else yield { name: whole, bytes: attributes.bytes };
        }
      }
    } finally {
      void line.request(sftp.CLOSE, sftp.text(handle)).catch(() => undefined);
    }
  }

  async head(name: string) {
    const { sftp: line } = await this.#connected();
    const answer = await line.request(sftp.STAT, this.#path(name));
    if (isStatus(answer, sftp.NO_SUCH_FILE)) return undefined;
    if (answer.kind !== 'attributes') throw faultOf(answer);
    return answer.attributes.folder ? undefined : answer.attributes.bytes;
  }

  async get(name: string, { start = 0, end = Number.POSITIVE_INFINITY }: GetOptions = {}) {
    const { sftp: line } = await this.#connected();
    const opened = await line.request(sftp.OPEN, this.#path(name), sftp.uint32(sftp.FOR_READING), sftp.uint32(0));
    if (isStatus(opened, sftp.NO_SUCH_FILE)) return undefined;
    return { start, chunks: this.#pieces(line, handleOf(opened), start, end) };
  }

  /** Asks for many pieces ahead; one that comes short is asked for again from where it ended. */
  async *#pieces(line: sftp.Sftp, handle: Buffer, start: number, end: number): AsyncGenerator<Uint8Array> {
    const read = (position: number, length: number) => {
      const asked = line.request(sftp.READ, sftp.text(handle), sftp.uint64(position), sftp.uint32(length));
      // Those that are never looked at must not count as unhandled.
      asked.catch(() => undefined);
      return asked;
    };
    const ahead: { position: number; answer: Promise<sftp.Reply> }[] = [];
    let position = start;
    // A small file needs no more than two questions.
    let width = 2;
    try {
      for (;;) {
        while (ahead.length < width && position < end) {
          ahead.push({ position, answer: read(position, PIECE) });
          position += PIECE;
        }
        const first = ahead.shift();
        if (first === undefined) return;
        const answer = await first.answer;
        if (isStatus(answer, sftp.END_OF_FILE)) return;
        if (answer.kind !== 'data') throw faultOf(answer);
        yield answer.data;
        width = Math.min(AHEAD, width * 2);
        for (let at = first.position + answer.data.length; at < first.position + PIECE; ) {
          const more = await read(at, first.position + PIECE - at);
          if (isStatus(more, sftp.END_OF_FILE)) return;
          if (more.kind !== 'data') throw faultOf(more);
          at += more.data.length;
          yield more.data;
        }
      }
    } finally {
      void line.request(sftp.CLOSE, sftp.text(handle)).catch(() => undefined);
    }
  }

  async put(name: string, content: Content, { replace = false }: PutOptions = {}) {
    if (!replace && (await this.head(name)) !== undefined) return 'present' as const;
    const { sftp: line } = await this.#connected();
    await this.#makeFolders(line, 'tmp/');
    await this.#makeFolders(line, name.slice(0, name.lastIndexOf('/') + 1));
    const temporary = this.#path(`tmp/${randomBytes(12).toString('hex')}`);
    let named = false;
    try {
      await this.#write(line, temporary, content);
      const answer = await this.#giveName(line, temporary, this.#path(name), replace);
      named = answer === 'renamed';
      return answer === 'taken' ? ('present' as const) : ('created' as const);
    } finally {
      if (!named) await line.request(sftp.REMOVE, temporary).catch(() => undefined);
    }
  }

  async #write(line: sftp.Sftp, path: string, content: Content): Promise<void> {
    const opened = await line.request(sftp.OPEN, path, sftp.uint32(sftp.FOR_NEW), sftp.uint32(0));
    const handle = handleOf(opened);
    const running = new Set<Promise<void>>();
    let failure: { error: unknown } | undefined;
    let position = 0;
    try {
      for await (const chunk of content.read()) {
        for (let at = 0; at < chunk.length; at += PIECE) {
          if (failure) throw failure.error;
          const piece = Buffer.from(chunk.subarray(at, at + PIECE));
          const task = line
            .request(sftp.WRITE, sftp.text(handle), sftp.uint64(position), sftp.text(piece))
            .then(mustBeOk)
            .catch((error: unknown) => {
              failure ??= { error };
            })
            .finally(() => running.delete(task));
          running.add(task);
          position += piece.length;
          if (running.size >= AHEAD) await Promise.race(running);
        }
      }
      await Promise.all(running);
      if (failure) throw failure.error;
      if (line.extensions.has('fsync@openssh.com')) {
        mustBeOk(await line.request(sftp.EXTENDED, 'fsync@openssh.com', sftp.text(handle)));
      }
    } finally {
      await line.request(sftp.CLOSE, sftp.text(handle)).catch(() => undefined);
    }
  }

  /** By a hard link, which is refused where the name is taken; to replace, by a rename that may. */
  async #giveName(
    line: sftp.Sftp,
    from: string,
    to: string,
    replace: boolean,
  ): Promise<'linked' | 'renamed' | 'taken'> {
    if (replace) {
      const renamed = line.extensions.has('posix-rename@openssh.com')
        ? await line.request(sftp.EXTENDED, 'posix-rename@openssh.com', from, to)
        : await line.request(sftp.RENAME, from, to);
      mustBeOk(renamed);
      return 'renamed';
    }
    if (line.extensions.has('hardlink@openssh.com')) {
      const linked = await line.request(sftp.EXTENDED, 'hardlink@openssh.com', from, to);
      if (isStatus(linked, sftp.OK)) return 'linked';
      if ((await line.request(sftp.STAT, to)).kind === 'attributes') return 'taken';
    }
    // Version 3 has it that a rename does not replace.
    const renamed = await line.request(sftp.RENAME, from, to);
    if (isStatus(renamed, sftp.OK)) return 'renamed';
    if ((await line.request(sftp.STAT, to)).kind === 'attributes') return 'taken';
    throw faultOf(renamed);
  }

  async delete(name: string) {
    const { sftp: line } = await this.#connected();
    const answer = await line.request(sftp.REMOVE, this.#path(name));
    if (!isStatus(answer, sftp.OK) && !isStatus(answer, sftp.NO_SUCH_FILE)) throw faultOf(answer);
  }

  async settle() {
    // Each file was brought to the disk before it got its name, where the server can do that.
  }

  async close() {
    const connection = await this.#connection?.catch(() => undefined);
    this.#connection = undefined;
    connection?.process.stdin?.end();
    connection?.process.kill();
  }

  /** The remote's own folder and those below. What is there already answers with a failure, which says nothing more. */
  async #makeFolders(line: sftp.Sftp, folder: string): Promise<void> {
    const names = this.#path(folder).split('/');
    for (let depth = 1; depth <= names.length; depth += 1) {
      const path = names.slice(0, depth).join('/');
      if (path === '' || this.#folders.has(path)) continue;
      if ((await line.request(sftp.STAT, path)).kind !== 'attributes') {
        const made = await line.request(sftp.MKDIR, path, sftp.uint32(0));
        if (!isStatus(made, sftp.OK) && (await line.request(sftp.STAT, path)).kind !== 'attributes')
          throw faultOf(made);
      }
      this.#folders.add(path);
    }
  }

  #path(name: string): string {
    return (
      [this.#folder, name]
        .filter((part) => part !== '')
        .join('/')
        .replace(/\/+$/, '') || '.'
    );
  }

  /** One connection for all; a new one where it broke. */
  #connected(): Promise<Connection> {
    this.#connection ??= this.#connect();
    return this.#connection;
  }

  async #connect(): Promise<Connection> {
    const child = spawn('ssh', this.#words, { stdio: ['pipe', 'pipe', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (part: string) => {
      said = (said + part).slice(-2000);
    });
    const opening = sftp.speakSftp(child.stdout, child.stdin);
    const gone = (fault: RemoteFault) => {
      this.#connection = undefined;
      opening.fail(fault);
    };
    child.once('error', (error) => gone(new RemoteFault(`ssh cannot be started: ${error.message}`, 'refused')));
    child.once('close', () => gone(faultOfSsh(said)));
    return { sftp: await opening, process: child };
  }
}

function faultOfSsh(said: string): RemoteFault {
  const message = said.trim().split('\n').at(-1)?.trim() || 'the connection was closed';
  if (/permission denied|host key verification failed|too many authentication failures/i.test(said)) {
    return new RemoteFault(message, 'denied');
  }
  return new RemoteFault(message, /could not resolve|bad configuration/i.test(said) ? 'refused' : 'transient');
}

function isStatus(reply: sftp.Reply, code: number): boolean {
  return reply.kind === 'status' && reply.code === code;
}

function mustBeOk(reply: sftp.Reply): void {
  if (!isStatus(reply, sftp.OK)) throw faultOf(reply);
}

function handleOf(reply: sftp.Reply): Buffer {
  if (reply.kind === 'handle') return reply.handle;
  throw faultOf(reply);
}

function faultOf(reply: sftp.Reply): RemoteFault {
  if (reply.kind !== 'status') return new RemoteFault('it answers something else than was asked', 'refused');
  const { code, message } = reply;
  if (code === sftp.PERMISSION_DENIED) return new RemoteFault(message, 'denied');
  // Connections that are lost (6, 7) may come back; a failure (4) is all that a full disk says.
  return new RemoteFault(message || `status ${code}`, code === 6 || code === 7 ? 'transient' : 'refused');
}

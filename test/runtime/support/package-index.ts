/** A package index of our own, which can also misbehave. */
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { basename } from 'node:path';

export interface IndexedFile {
  /** Of the package: `tensorflow-cpu`. */
  package: string;
  /** Of the wheel on the disk; its name is the wheel's name. */
  path: string;
  /** What the index says; not always the truth. */
  sha256: string;
}

export interface Asked {
  url: string;
  range: string | undefined;
  authorization: string | undefined;
}

export interface PackageIndex {
  /** `http://127.0.0.1:1234/simple` */
  address: string;
  port: number;
  asked: Asked[];
  files: IndexedFile[];
  /** Answers in HTML, as old indexes do. */
  html: boolean;
  /** Breaks the next so many downloads off after that many bytes. */
  breakOff: { times: number; after: number };
  /** Milliseconds before each of 100 pieces of a download. */
  slow: number;
  /** Demands this name and password. */
  credentials: string | undefined;
  close(): Promise<void>;
}

export async function startPackageIndex(): Promise<PackageIndex> {
  const server = createServer((request, response) => {
    const { url = '', headers } = request;
    index.asked.push({ url, range: headers.range, authorization: headers.authorization });
    const wanted = index.credentials && `Basic ${Buffer.from(index.credentials).toString('base64')}`;
    if (wanted !== undefined && headers.authorization !== wanted) return end(response, 401, 'no');
    const [, place, name = ''] = url.split('/');
    if (place === 'simple') return page(index, name, response);
    const file = index.files.find(({ path }) => basename(path) === name);
    if (place === 'files' && file) return void send(index, file.path, request, response);
    return end(response, 404, 'nothing');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  const index: PackageIndex = {
    address: `http://127.0.0.1:${port}/simple`,
    port,
    asked: [],
    files: [],
    html: false,
    breakOff: { times: 0, after: 0 },
    slow: 0,
    credentials: undefined,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return index;
}

function page(index: PackageIndex, name: string, response: ServerResponse): void {
  const files = index.files.filter((file) => file.package === name);
  if (files.length === 0) {
    end(response, 404, 'no such package');
  } else if (index.html) {
    const lines = files.map(
      ({ path, sha256 }) => `<a href="../../files/${basename(path)}#sha256=${sha256}">${basename(path)}</a><br/>`,
    );
    response.setHeader('content-type', 'text/html');
    end(response, 200, `<!DOCTYPE html><html><body>${lines.join('\n')}</body></html>`);
  } else {
    response.setHeader('content-type', 'application/vnd.pypi.simple.v1+json');
    const listed = files.map(({ path, sha256 }) => ({
      filename: basename(path),
      url: `../../files/${basename(path)}`,
      hashes: { sha256 },
    }));
    end(response, 200, JSON.stringify({ meta: { 'api-version': '1.0' }, name, files: listed }));
  }
}

async function send(
  index: PackageIndex,
  path: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { size } = statSync(path);
  const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from >= size) return end(response, 416, '');
  // pip unpacks by what it is told.
  const type = path.endsWith('.gz') ? 'application/gzip' : 'application/zip';
  response.writeHead(from > 0 ? 206 : 200, { 'content-length': size - from, 'content-type': type });
  if (index.breakOff.times > 0) {
    index.breakOff.times -= 1;
    response.write(readFileSync(path).subarray(from, from + index.breakOff.after), () => response.destroy());
    return;
  }
  if (index.slow === 0) return void createReadStream(path, { start: from }).pipe(response);
  const bytes = readFileSync(path).subarray(from);
  const piece = Math.ceil(bytes.length / 100);
  for (let at = 0; at < bytes.length && !response.destroyed; at += piece) {
    await new Promise((resolve) => setTimeout(resolve, index.slow));
    response.write(bytes.subarray(at, at + piece));
  }
  response.end();
}

function end(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status;
  response.end(text);
}

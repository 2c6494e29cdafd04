/** A server of files that fails as a test wants. */
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** Serves a remote's files over HTTP, and does to each answer what a test wants. */
export class FaultServer {
  readonly files = new Map<string, Buffer>();
  readonly #server: http.Server;
  /** Whether it knows them; else it answers with all there is. */
  ranges = true;
  asked: { name: string; range: string | undefined }[] = [];
  /** Answers true where it has dealt with the request. */
  fault: (name: string, times: number, response: http.ServerResponse, content: Buffer) => boolean = () => false;
  readonly #times = new Map<string, number>();

  constructor() {
    this.#server = http.createServer((request, response) => {
      const name = decodeURIComponent((request.url ?? '/').slice(1));
      const content = this.files.get(name);
      if (content === undefined) {
        response.writeHead(404).end();
        return;
      }
      if (request.method === 'HEAD') {
        response.writeHead(200, { 'Content-Length': content.length }).end();
        return;
      }
      const times = (this.#times.get(name) ?? 0) + 1;
      this.#times.set(name, times);
      this.asked.push({ name, range: request.headers.range });
      if (this.fault(name, times, response, content)) return;
      const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
      if (first === undefined || !this.ranges) {
        response.writeHead(200, { 'Content-Length': content.length }).end(content);
        return;
      }
      const start = Number(first);
      const end = last ? Math.min(content.length, Number(last) + 1) : content.length;
      if (start >= content.length) {
        response.writeHead(416).end();
        return;
      }
      const range = `bytes ${start}-${end - 1}/${content.length}`;
      response.writeHead(206, { 'Content-Length': end - start, 'Content-Range': range });
      response.end(content.subarray(start, end));
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    // It listens on a port.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

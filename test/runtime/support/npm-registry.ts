/** An npm registry of our own: what it holds can vanish. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';

export interface NpmRegistry {
  /** `http://127.0.0.1:1234/` */
  address: string;
  asked: string[];
  /** Packs a package as npm does, and offers it. */
  publish(name: string, version: string, files: Record<string, { text: string; mode?: number }>, more?: object): void;
  close(): Promise<void>;
}

export async function startNpmRegistry(folder: string): Promise<NpmRegistry> {
  const packages = new Map<string, { version: string; tarball: Buffer; manifest: object }[]>();
  const server = createServer((request, response) => {
    const url = decodeURIComponent(request.url ?? '');
    registry.asked.push(url);
    const [, name = '', , file] = url.split('/');
    const versions = packages.get(name);
    if (versions === undefined) return end(response, 404, '{"error": "not found"}');
    if (file !== undefined) {
      const found = versions.find(({ version }) => file === `${name}-${version}.tgz`);
      return found === undefined ? end(response, 404, '{}') : end(response, 200, found.tarball);
    }
    const latest = versions.at(-1)?.version;
    const document = {
      name,
      'dist-tags': { latest },
      versions: Object.fromEntries(versions.map(({ version, manifest }) => [version, manifest])),
    };
    return end(response, 200, JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo; // it listens on a port
  const registry: NpmRegistry = {
    address: `http://127.0.0.1:${port}/`,
    asked: [],
    publish(name, version, files, more = {}) {
      const place = join(folder, `${name}-${version}`);
      const manifest = { name, version, ...more };
      const all = { 'package.json': { text: JSON.stringify(manifest) }, ...files };
      for (const [path, { text, mode = 0o644 }] of Object.entries<{ text: string; mode?: number }>(all)) {
        mkdirSync(dirname(join(place, path)), { recursive: true });
        writeFileSync(join(place, path), text, { mode });
      }
      execFileSync('npm', ['pack', '--pack-destination', folder, place], { stdio: 'ignore' });
      const tarball = readFileSync(join(folder, `${name}-${version}.tgz`));
      const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
      const dist = { tarball: `${registry.address}${name}/-/${name}-${version}.tgz`, integrity };
      packages.set(name, [...(packages.get(name) ?? []), { version, tarball, manifest: { ...manifest, dist } }]);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
  return registry;
}

function end(response: ServerResponse, status: number, body: string | Buffer): void {
  response.statusCode = status;
  response.setHeader('content-type', typeof body === 'string' ? 'application/json' : 'application/octet-stream');
  response.end(body);
}

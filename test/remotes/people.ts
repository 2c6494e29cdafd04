/** People with a clone each and a key each, who share a remote. */
import fs from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { logsIn } from '../../runtime/ledger/log/logs.ts';
import { verifyProject } from '../../runtime/ledger/verify/verify.ts';
import { openProject, type Project } from '../../runtime/project.ts';
import { fetchAll, type PullAnswer } from '../../runtime/share/pull.ts';
import { type PushAnswer, push } from '../../runtime/share/push.ts';
import type { RemoteDriver } from '../../runtime/store/remotes/driver.ts';
import { endedAt, recordOf } from '../runtime/records.ts';
import { filesIn, temporaryFolder } from './support.ts';

export class People {
  readonly folder = temporaryFolder();
  settings: Record<string, unknown> = { url: join(this.folder, 'remote') };

  at(...names: string[]): string {
    return join(this.folder, ...names);
  }

  async as<Result>(name: string, use: (project: Project) => Promise<Result>, settings = this.settings) {
    const before = process.env.MLPIPE_CONFIG;
    process.env.MLPIPE_CONFIG = this.at('keys', name);
    fs.mkdirSync(this.at(name), { recursive: true });
    const remotes = { remotes: { shared: settings }, defaultRemote: 'shared' };
    fs.writeFileSync(this.at(name, 'mlpipe.json'), JSON.stringify(remotes));
    const project = openProject(this.at(name));
    try {
      return await use(project);
    } finally {
      project.close();
      process.env.MLPIPE_CONFIG = before;
    }
  }

  append(name: string, count: number, reason = name): Promise<Digest[]> {
    return this.as(name, async ({ store, ledger }) => {
      const put = async (text: string) => (await store.putBytes(text)).digest;
      const base = { plan: await put('plan'), keyParts: await put('key parts') };
      const digests: Digest[] = [];
      for (let number = 0; number < count; number += 1)
        digests.push(await ledger.append(recordOf({ ...base, ...endedAt(number), reason: `${reason} ${number}` })));
      return digests;
    });
  }

  push(name: string, around?: (driver: RemoteDriver) => RemoteDriver): Promise<PushAnswer> {
    return this.as(name, (project) =>
      push(project, [], { retry: { tries: 1 }, ...(around === undefined ? {} : { around }) }),
    );
  }

  fetch(name: string, settings = this.settings): Promise<PullAnswer> {
    return this.as(name, (project) => fetchAll(project, { all: true }), settings);
  }

  verify(name: string) {
    return this.as(name, ({ root, store, ledger }) => verifyProject(root, store, ledger));
  }

  logs(name: string): Promise<Record<string, number>> {
    return this.as(name, async ({ ledger }) =>
      Object.fromEntries(
        logsIn(ledger.files, ledger.folder).logs.map(({ writer, entries }) => [writer, entries.size()]),
      ),
    );
  }

  async writer(name: string): Promise<string> {
    return Object.keys(await this.logs(name))[0] ?? '';
  }

  /** The log as it is now, to be put back into the same store later. */
  keep(name: string): () => void {
    fs.cpSync(this.at(name, '.mlpipe'), this.at('kept'), { recursive: true });
    return () => {
      for (const each of ['records', 'log', 'cache', 'tracking']) {
        fs.rmSync(this.at(name, '.mlpipe', each), { recursive: true, force: true });
        if (fs.existsSync(this.at('kept', each)))
          fs.cpSync(this.at('kept', each), this.at(name, '.mlpipe', each), { recursive: true });
      }
      fs.rmSync(this.at('kept'), { recursive: true });
    };
  }

  remote(): Map<string, Buffer> {
    return filesIn(this.at('remote'));
  }
}

export const codes = ({ problems }: { problems: readonly { code: string }[] }) => [
  ...new Set(problems.map(({ code }) => code)),
];

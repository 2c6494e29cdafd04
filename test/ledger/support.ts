/** A project with a ledger that is signed, in a temporary folder, with keys of its own. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import { identityIn } from '../../runtime/ledger/keys/identity.ts';
import { type Ledger, openLedger } from '../../runtime/ledger/ledger.ts';
import { lockPath } from '../../runtime/ledger/lock.ts';
import type { RunRecord } from '../../runtime/ledger/record.ts';
import { type Verification, verifyProject } from '../../runtime/ledger/verify/verify.ts';
import { openStore } from '../../runtime/store/open.ts';
import { endedAt, recordOf } from '../runtime/records.ts';

export class SignedProject {
  readonly root = fs.realpathSync(fs.mkdtempSync(join(tmpdir(), 'mlpipe-signed-')));
  readonly store = join(this.root, '.mlpipe');
  /** Of one person; whoever shares it is the same one. */
  readonly keys: string;
  readonly warnings: string[] = [];

  constructor(keys?: string) {
    this.keys = keys ?? join(this.root, 'configuration', 'keys');
  }

  get pipeline(): string {
    return join(this.root, 'digits.mlpipe');
  }

  async with<Result>(use: (ledger: Ledger) => Promise<Result> | Result): Promise<Result> {
    const ledger = openLedger(this.store, {
      identity: identityIn(this.root, this.keys),
      warn: (message) => this.warnings.push(message),
    });
    try {
      return await use(ledger);
    } finally {
      ledger.close();
    }
  }

  /** Appends so many records, one a minute, and locks the last one. */
  async append(count: number, changes: Partial<RunRecord> = {}): Promise<Digest[]> {
    return this.with(async (ledger) => {
      const digests: Digest[] = [];
      for (let number = 0; number < count; number += 1) {
        const record = recordOf({ ...endedAt(number), reason: `number ${number}`, ...changes });
        digests.push(await ledger.append(record));
        if (number === count - 1) await ledger.lock(this.pipeline, { digest: digests[number] ?? 'sha256:', record });
      }
      return digests;
    });
  }

  verify(): Promise<Verification> {
    const store = openStore(this.store);
    return this.with((ledger) => verifyProject(this.root, store, ledger)).finally(() => store.close());
  }

  /** The writer's log, where there is one. */
  get log(): string {
    const [writer = ''] = fs.readdirSync(join(this.store, 'log')).filter((name) => /-/.test(name));
    return join(this.store, 'log', writer);
  }

  recordPath(digest: Digest): string {
    return join(this.store, 'records', digest.slice(7, 9), `${digest.slice(9)}.json`);
  }

  signaturePaths(digest: Digest): string[] {
    const folder = join(this.store, 'records', digest.slice(7, 9));
    const names = fs
      .readdirSync(folder)
      .filter((name) => name.startsWith(digest.slice(9)) && name.endsWith('.sig.json'));
    return names.map((name) => join(folder, name));
  }

  get lockPath(): string {
    return lockPath(this.pipeline, 'recognise');
  }

  git(...words: string[]): string {
    const who = ['-c', 'user.name=Ada', '-c', 'user.email=ada@example.org'];
    return execFileSync('git', [...who, ...words], { cwd: this.root, encoding: 'utf8', stdio: 'pipe' }).trim();
  }

  remove(): void {
    fs.rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Writes into a file that is read-only. */
export function rewrite(path: string, change: (content: Buffer) => Buffer | string): void {
  const content = fs.readFileSync(path);
  fs.chmodSync(path, 0o644);
  fs.writeFileSync(path, change(content));
}

/** One bit of one byte is another. */
export function flipped(content: Buffer, at: number): Buffer {
  const changed = Buffer.from(content);
  changed[at] = (changed[at] ?? 0) ^ 0x10;
  return changed;
}

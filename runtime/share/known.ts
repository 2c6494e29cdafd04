/**
 * What this machine has sent to a remote or got from it: for those who may not ask the remote itself, as a diagnostic
 * while somebody types. It may be out of date, can be deleted at any time, and nothing is decided by it.
 */
import fs from 'node:fs';
import { dirname, join } from 'node:path';
import type { Digest } from '../../grammar/plan/plan.ts';
import type { RemoteKnowledge } from '../ledger/verify/objects.ts';
import type { NamesCache } from '../store/remotes/catalogue.ts';
import { readSettings, remoteOf } from '../store/remotes/settings.ts';

function pathOf(store: string, remote: string): string {
  return join(store, 'cache', 'remotes', encodeURIComponent(remote));
}

export function rememberOnRemote(store: string, remote: string, digests: Iterable<Digest>): void {
  const known = knownOnRemote(store, remote);
  const added = [...digests].filter((digest) => !known.has(digest));
  if (added.length === 0) return;
  const path = pathOf(store, remote);
  fs.mkdirSync(dirname(path), { recursive: true });
  fs.appendFileSync(path, added.map((digest) => `${digest}\n`).join(''));
}

export function knownOnRemote(store: string, remote: string): ReadonlySet<string> {
  try {
    return new Set(fs.readFileSync(pathOf(store, remote), 'utf8').split('\n'));
  } catch {
    // Never sent anything there, or the file went: nothing is known then.
    return new Set();
  }
}

export function forgetRemote(store: string, remote: string): void {
  fs.rmSync(pathOf(store, remote), { force: true });
}

/** Of the default remote, where there is one. Damaged settings are told by whoever uses them. */
export function knowledgeOf(root: string, store: string): RemoteKnowledge | undefined {
  try {
    const remote = remoteOf(readSettings(root));
    if (remote === undefined) return undefined;
    let known: ReadonlySet<string> | undefined;
    return {
      name: remote.name,
      has(digest) {
        known ??= knownOnRemote(store, remote.name);
        return known.has(digest);
      },
    };
  } catch {
    return undefined;
  }
}

/** Files of a remote's index of names, which never change; whoever takes one checks it. */
export function namesCache(store: string): NamesCache {
  const pathFor = (digest: string) => join(store, 'cache', 'index', digest);
  return {
    read(digest) {
      try {
        return fs.readFileSync(pathFor(digest));
      } catch {
        return undefined;
      }
    },
    write(digest, content) {
      fs.mkdirSync(dirname(pathFor(digest)), { recursive: true });
      fs.writeFileSync(pathFor(digest), content);
    },
  };
}

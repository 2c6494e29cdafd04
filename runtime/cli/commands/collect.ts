/** `gc`: taking away what nothing needs, here or on a remote. */

import type { Seconds } from '../../../grammar/plan/plan.ts';
import * as api from '../../api.ts';
import type { Scope } from '../../collect/needed.ts';
import { EXIT, type ExitCode, MlpipeError } from '../../errors.ts';
import { count, size } from '../../words.ts';
import { cancelOnSignal } from '../cancel.ts';
import { answer, type Output, paint, talk } from '../output.ts';
import { travelling } from '../travelling.ts';

interface Words {
  unreferenced?: boolean;
  workspace?: boolean;
  allBranches?: boolean;
  allTags?: boolean;
  allCommits?: boolean;
  dryRun?: boolean;
  grace?: string;
  now?: boolean;
  remote?: string;
}

interface Context {
  folder: string;
  output: Output;
}

export async function gc(context: Context, words: Words): Promise<ExitCode> {
  const scope = scopeOf(words);
  const grace = words.grace === undefined ? undefined : secondsOf(words.grace);
  const { remote, now = false } = words;
  return remote === undefined
    ? here(context, scope, grace, words)
    : there(context, scope, grace, { ...words, remote, now });
}

async function here(
  { folder, output }: Context,
  scope: Scope,
  grace: Seconds | undefined,
  words: Words,
): Promise<ExitCode> {
  const signal = cancelOnSignal(output);
  const found = await api.withProject(folder, (project) =>
    api.collectGarbage(project, {
      scope,
      signal,
      ...(grace === undefined ? {} : { grace }),
      ...(words.now ? { now: true } : {}),
      ...(words.dryRun ? { dryRun: true } : {}),
    }),
  );
  answer(output, found, () => describe(found));
  if (!found.dryRun && !found.now && found.collected.objects > 0) {
    const days = Math.round(found.keep / 86_400);
    talk(
      output,
      `It is set aside for ${days} days and comes back by itself when it is asked for; a later gc deletes it.`,
    );
  }
  return EXIT.yes;
}

/** A push that takes longer than the grace may lose what it relies on, so that this is the least. */
const LEAST_GRACE: Seconds = 86_400;

async function there(
  { folder, output }: Context,
  scope: Scope,
  grace: Seconds | undefined,
  { remote, dryRun = false, now }: Words & { remote: string; now: boolean },
): Promise<ExitCode> {
  if (now || (grace !== undefined && grace < LEAST_GRACE)) {
    throw new MlpipeError('On a remote nobody can tell who is just sending.', {
      code: 'usage',
      todo: 'Give others a day at least (--grace 1d), and run it again then: it deletes what was marked before.',
      exit: EXIT.usage,
    });
  }
  const found = await travelling(output, (transfer) =>
    api.withProject(folder, (project) =>
      api.collectRemoteGarbage(project, {
        ...transfer,
        remote,
        scope,
        dryRun,
        ...(grace === undefined ? {} : { grace }),
      }),
    ),
  );
  answer(output, found, () => describeRemote(found));
  if (!dryRun && found.marked.files > 0) {
    const days = Math.round(found.grace / LEAST_GRACE);
    talk(output, `What is marked is deleted by a gc in ${days} days or later, unless something has come to need it.`);
  }
  return EXIT.yes;
}

function describeRemote(found: api.RemoteGarbageAnswer): string {
  const { dryRun, needed, marked, waiting, deleted, spared, postponed, repacked } = found;
  const amount = ({ files, bytes }: { files: number; bytes: number }) =>
    `${count(files)} ${files === 1 ? 'file' : 'files'} (${size(bytes)})`;
  const would = dryRun ? 'would be ' : '';
  return [
    paint('green', `${would}deleted: ${amount(deleted)}`, process.stdout),
    `${would}marked: ${amount(marked)}`,
    `needed: ${amount(needed)}`,
    ...(waiting.files > 0 ? [`marked before, and not for long enough: ${amount(waiting)}`] : []),
    ...(spared > 0 ? [`spared: ${count(spared)}, needed after all`] : []),
    ...(repacked > 0
      ? [`written anew: ${count(repacked)} ${repacked === 1 ? 'pack' : 'packs'}, without what nothing needs`]
      : []),
    ...(postponed > 0 ? ['Somebody is just sending or deleting there; run it again later.'] : []),
  ].join('\n');
}

function describe({ dryRun, now, needed, young, collected, deleted, restored }: api.GarbageAnswer): string {
  const amount = ({ objects, bytes }: { objects: number; bytes: number }) =>
    `${count(objects)} ${objects === 1 ? 'object' : 'objects'} (${size(bytes)})`;
  const did = dryRun ? 'would collect' : now ? 'deleted' : 'collected';
  return [
    paint('green', `${did} ${amount(collected)}`, process.stdout),
    `needed: ${amount(needed)}`,
    ...(young.objects > 0
      ? [`spared: ${amount(young)}, younger than the grace, just being written, or not worth it yet`]
      : []),
    ...(deleted.objects > 0 ? [`deleted for good: ${amount(deleted)}, set aside before`] : []),
    ...(restored > 0 ? [`brought back: ${count(restored)}, needed after all`] : []),
  ].join('\n');
}

function scopeOf({ unreferenced, workspace, allBranches, allTags, allCommits }: Words): Scope {
  const named = (
    [
      [unreferenced, 'unreferenced'],
      [allCommits, 'commits'],
      [allTags, 'tags'],
      [allBranches, 'branches'],
      [workspace, 'workspace'],
    ] as const
  ).flatMap(([given, scope]) => (given ? [scope] : []));
  const [widest] = named;
  if (widest !== undefined && !(unreferenced && named.length > 1)) return widest;
  throw new MlpipeError(
    widest === undefined ? 'What is needed must be said: nothing is collected without a scope.' : 'Name one scope.',
    {
      code: 'usage',
      todo: 'Say --unreferenced to keep all that any record or commit names; --workspace, --all-branches, --all-tags or --all-commits to keep what stands behind these alone. -n shows what would go.',
      exit: EXIT.usage,
    },
  );
}

const UNITS: Record<string, number> = { h: 3600, d: 86_400, w: 7 * 86_400 };

function secondsOf(text: string): Seconds {
  const [, number, unit = ''] = /^(\d+)([hdw]?)$/.exec(text) ?? [];
  if (number === '0') return 0;
  const seconds = number === undefined ? undefined : UNITS[unit];
  if (seconds !== undefined) return Number(number) * seconds;
  throw new MlpipeError(`${text} is no time.`, {
    code: 'usage',
    todo: 'Write how long: 12h, 7d, 2w, or 0.',
    exit: EXIT.usage,
  });
}

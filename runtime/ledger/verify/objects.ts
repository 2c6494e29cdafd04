/** What the store finds, in the words of `mlpipe verify`. */
import type { Digest } from '../../../grammar/plan/plan.ts';
import type { Selection, Store, StoreProblem } from '../../store/store.ts';
import { type Problem, problem } from './problem.ts';

export function objectProblem({ digest, problem: what, path }: StoreProblem): Problem {
  if (what === 'pack')
    return problem('pack-damaged', `The pack ${path} is damaged, and what it holds cannot be told.`, {
      ...(path === undefined ? {} : { path }),
    });
  if (what === 'corrupt')
    return problem('object-corrupt', `The object ${digest} is not what its digest says.`, { digest });
  if (what === 'missing')
    return problem('object-missing', `The object ${digest} belongs to a folder and is not there.`, { digest });
  return problem('object-unreadable', `The object ${digest} cannot be read.`, { digest });
}

/** What the store found, of such a problem; nothing where that is about no object. */
export function storeProblem({ code, digest }: Problem): StoreProblem | undefined {
  if (digest === undefined) return undefined;
  if (code === 'object-corrupt') return { digest, problem: 'corrupt' };
  if (code === 'object-missing') return { digest, problem: 'missing' };
  return code === 'object-unreadable' ? { digest, problem: 'unreadable' } : undefined;
}

/** What is known to be on the project's default remote, by whoever may be asked without the remote itself being asked. */
export interface RemoteKnowledge {
  name: string;
  has(digest: Digest): boolean;
}

export interface ObjectOptions extends Omit<Selection, 'digests'> {
  remote?: RemoteKnowledge;
}

/**
 * Reads these objects again, and of folders every file.
 *
 * @param wanted by digest, what it is, for the message
 * @throws the signal's reason, where it is aborted
 */
export async function verifyObjectsOf(
  store: Store,
  wanted: ReadonlyMap<Digest, string>,
  { remote, ...reading }: ObjectOptions,
): Promise<{ objects: number; problems: Problem[] }> {
  const { objects, problems } = await store.verify({ digests: wanted.keys(), ...reading });
  return { objects, problems: problems.map((found) => selectedProblem(found, wanted, remote)) };
}

/** The same by the name that it has where it is used. */
function selectedProblem(
  { digest, problem: what, of }: StoreProblem,
  wanted: ReadonlyMap<Digest, string>,
  remote: RemoteKnowledge | undefined,
): Problem {
  const whole = (of && wanted.get(of.digest)) ?? '';
  const name = of?.path === undefined ? `a part of ${whole}` : of.path === '' ? whole : `${whole}/${of.path}`;
  const say = (code: 'object-missing' | 'object-corrupt' | 'object-unreadable', wrong: string) =>
    problem(code, `${name} (the object ${digest}) ${wrong}.`, { digest });
  if (what === 'corrupt') return say('object-corrupt', 'is not what its digest says');
  if (what !== 'missing') return say('object-unreadable', 'cannot be read');
  const missing = say('object-missing', 'is not in the store');
  return remote?.has(digest) ? { ...missing, todo: `\`mlpipe pull\` fetches it from ${remote.name}.` } : missing;
}

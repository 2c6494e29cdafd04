/** What the store finds, in the words of `mlpipe verify`. */
import type { Store } from '../../store/store.ts';
import { type Problem, problem } from './problem.ts';

type ObjectProblem = Awaited<ReturnType<Store['verify']>>['problems'][number];

export function objectProblem({ digest, problem: what }: ObjectProblem): Problem {
  if (what === 'corrupt')
    return problem('object-corrupt', `The object ${digest} is not what its digest says.`, { digest });
  if (what === 'missing')
    return problem('object-missing', `The object ${digest} belongs to a folder and is not there.`, { digest });
  return problem('object-unreadable', `The object ${digest} cannot be read.`, { digest });
}

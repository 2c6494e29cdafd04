/** What is said while a model is verified and when that has ended. Plain functions of what the runtime answered. */
import type { VerifyAnswer, VerifyProgress } from '../../../runtime/rpc/protocol.ts';
import { counted, grouped } from '../../infrastructure/wording.ts';

/** `reading objects: 256 of 1,024` */
export function progressLine({ what, done, total }: VerifyProgress): string {
  return total === 0 ? `reading ${what} …` : `reading ${what}: ${grouped(done)} of ${grouped(total)}`;
}

export interface Outcome {
  whole: boolean;
  message: string;
  /** For the output: every problem with what to do, then what the answer does not prove. */
  details: string[];
}

export function outcomeOf(name: string, answer: VerifyAnswer): Outcome {
  const { ok, objects, records, signatures, problems, notes } = answer;
  const looked = `${counted(objects, 'object')}, ${counted(records, 'record')} and ${counted(signatures, 'signature')}`;
  const details = [
    ...problems.flatMap(({ code, message, todo, path }) => [
      `${code}: ${message}`,
      `  ${todo}`,
      ...(path === undefined ? [] : [`  ${path}`]),
    ]),
    ...notes.map((note) => `note: ${note}`),
  ];
  if (ok) return { whole: true, message: `${name} is whole: ${looked} are as they were written.`, details };
  const [first] = problems;
  const others = problems.length > 1 ? ` ${counted(problems.length - 1, 'more problem')}: see the details.` : '';
  return {
    whole: false,
    message: `${name} is not whole. ${first?.message ?? ''} ${first?.todo ?? ''}${others}`,
    details,
  };
}

/** What is said while a model is verified or repaired and when that has ended. Plain functions of what the runtime answered. */
import type { RepairAnswer, VerifyAnswer, VerifyProgress } from '../../../runtime/rpc/protocol.ts';
import { counted, grouped, withShortDigests } from '../../infrastructure/wording.ts';

/** `reading objects: 256 of 1,024` */
export function progressLine({ what, done, total }: VerifyProgress): string {
  return total === 0 ? `reading ${what} …` : `reading ${what}: ${grouped(done)} of ${grouped(total)}`;
}

type Problem = VerifyAnswer['problems'][number];

export interface Outcome {
  whole: boolean;
  message: string;
  /** Whether a repair may mend some of it. */
  repairable: boolean;
  /** For the output: every problem with what to do, then what the answer does not prove. */
  details: string[];
}

export function outcomeOf(name: string, answer: VerifyAnswer): Outcome {
  const { ok, objects, records, signatures, problems } = answer;
  const looked = `${counted(objects, 'object')}, ${counted(records, 'record')} and ${counted(signatures, 'signature')}`;
  const details = detailsOf(answer);
  const whole = `${name} is whole: ${looked} are as they were written.`;
  return {
    whole: ok,
    repairable: problems.some(({ repairable }) => repairable),
    message: ok ? whole : `${name} is not whole. ${spokenProblems(problems, offered)}`,
    details,
  };
}

/** Beside the button that mends it nobody needs to be told of a command line. */
function offered({ repairable, todo }: Problem): string {
  return repairable ? 'Repair it from a remote that has it, or run again what makes it.' : todo;
}

export interface RepairOutcome {
  whole: boolean;
  message: string;
  /** Damaged objects that no remote has and that still lie where a whole one would: a person decides about them. */
  inTheWay: number;
  /** Whether the step must run to make again what is not here any more. */
  needsRun: boolean;
  details: string[];
}

/** What was mended and from where, what is left, and what to do about that. */
export function repairOutcome(name: string, answer: RepairAnswer): RepairOutcome {
  const { ok, problems, repair } = answer;
  const lost = new Set(repair.lost);
  const left = problems.filter(({ digest }) => digest !== undefined && lost.has(digest));
  const inTheWay = left.filter(({ code }) => code !== 'object-missing').length;
  // Whom to ask for it has been asked.
  const todo = (problem: Problem): string => {
    if (problem.digest === undefined || !lost.has(problem.digest)) return problem.todo;
    return inTheWay > 0 ? '' : 'Run again what makes it, or ask who has it to push it.';
  };
  const sentences = [
    ok ? `${name} is whole${repair.repaired.length > 0 ? ' again' : ''}.` : `${name} is not whole.`,
    ...broughtBack(repair),
    ...(repair.setAside.length === 0
      ? []
      : [`Set aside ${counted(repair.setAside.length, 'damaged object')}; the files lie in .mlpipe/damaged.`]),
    ...nobodyHas(repair),
    ...repair.silent.map(({ remote, why }) => `The remote ${remote} could not be asked: ${sentence(why)}`),
    ...(ok ? [] : [spokenProblems(problems, todo)]),
    ...(inTheWay > 0 ? [setAsideQuestion(inTheWay)] : []),
  ];
  return {
    whole: ok,
    message: sentences.filter((each) => each !== '').join(' '),
    inTheWay,
    needsRun: left.length > inTheWay,
    details: [
      ...repair.repaired.map(({ digest, from }) => `brought back ${digest} from ${from}`),
      ...repair.setAside.map((digest) => `set aside ${digest}, into .mlpipe/damaged`),
      ...repair.lost.map((digest) => `no remote has ${digest}`),
      ...repair.silent.map(({ remote, why }) => `the remote ${remote} could not be asked: ${why}`),
      ...detailsOf(answer),
    ],
  };
}

/** What a person is asked before damaged objects go that nobody has whole. */
function setAsideQuestion(objects: number): string {
  const [what, them] = objects === 1 ? ['object', 'it'] : ['objects', 'them'];
  return `Ask who has ${them} whole to push ${them}; or set the damaged ${what} aside, into .mlpipe/damaged, and run again what makes ${them}.`;
}

function broughtBack({ repaired }: RepairAnswer['repair']): string[] {
  return [...new Set(repaired.map(({ from }) => from))].map((remote) => {
    const objects = repaired.filter(({ from }) => from === remote).length;
    return `Brought back ${counted(objects, 'object')} from ${remote}.`;
  });
}

function nobodyHas({ lost, asked, silent }: RepairAnswer['repair']): string[] {
  if (lost.length === 0) return [];
  const objects = counted(lost.length, 'object');
  if (asked.length > 0) return [`${asked.join(', ')} ${asked.length === 1 ? 'does' : 'do'} not have ${objects}.`];
  return silent.length > 0 ? [] : [`There is no remote to bring ${objects} back from.`];
}

/** The first in full, the others counted. */
function spokenProblems(problems: VerifyAnswer['problems'], todo = (problem: Problem) => problem.todo): string {
  const [first] = problems;
  if (first === undefined) return '';
  const others = problems.length > 1 ? `${counted(problems.length - 1, 'more problem')}: see the details.` : '';
  return [withShortDigests(first.message), todo(first), others].filter((each) => each !== '').join(' ');
}

function detailsOf({ problems, notes }: VerifyAnswer): string[] {
  return [
    ...problems.flatMap(({ code, message, todo, path }) => [
      `${code}: ${message}`,
      `  ${todo}`,
      ...(path === undefined ? [] : [`  ${path}`]),
    ]),
    ...notes.map((note) => `note: ${note}`),
  ];
}

function sentence(words: string): string {
  return /[.!?]$/.test(words) ? words : `${words}.`;
}

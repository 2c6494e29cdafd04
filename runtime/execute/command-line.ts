/** A program step's command line and variables, with everything that `${…}` stands for put in. */
import type { CommandPart, Plan, PlanValue } from '../../grammar/plan/plan.ts';
import type { ProgramJob } from './program.ts';

/** The command with everything put in and quoted. Secrets stand there as variables, for process lists show commands. */
export function commandLine(job: Pick<ProgramJob, 'plan' | 'step' | 'files'>): string {
  return job.step.command
    .map((part) => {
      if (part.kind === 'text') return part.text;
      if (part.kind === 'secret') return process.platform === 'win32' ? `"%${part.name}%"` : `"$${part.name}"`;
      if (part.kind === 'data') return (job.files[part.data] ?? []).map(quote).join(' ');
      return quote(pieceOf(part, job));
    })
    .join('');
}

/** Where an input or an output lies, relative to the folder that the program runs in. */
export function pathInRun(plan: Plan, step: string, output: string): string {
  const writer = plan.steps[step];
  const declared = writer?.kind === 'program' ? writer.writes.find(({ name }) => name === output)?.path : undefined;
  return declared ?? `.inputs/${step}/${output}`;
}

function pieceOf(part: CommandPart, job: Pick<ProgramJob, 'plan' | 'step' | 'files'>): string {
  switch (part.kind) {
    case 'text':
      return part.text;
    case 'value':
      return valueText(part.value);
    case 'input':
      return pathInRun(job.plan, part.step, part.output);
    case 'output':
      return pathInRun(job.plan, job.step.name, part.name);
    case 'data':
      return (job.files[part.data] ?? []).join(' ');
    case 'secret':
      return '';
  }
}

function valueText(value: PlanValue): string {
  return Array.isArray(value) ? value.map(valueText).join(',') : String(value);
}

/** A word as the shell reads it back: bare where that is safe, so that it may also stand inside quotes. */
export function quote(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (process.platform === 'win32') return `"${word.replaceAll('"', '""')}"`;
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** The text of a variable, secrets and all. */
export function textOf(parts: readonly CommandPart[], secrets: Record<string, string>, job: ProgramJob): string {
  return parts.map((part) => (part.kind === 'secret' ? (secrets[part.name] ?? '') : pieceOf(part, job))).join('');
}

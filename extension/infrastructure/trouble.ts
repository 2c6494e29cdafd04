/** Tells a person that something failed, why, and what to do next. */
import * as vscode from 'vscode';
import { LSPErrorCodes, ResponseError } from 'vscode-languageclient';
import type { Logs } from './logging.ts';
import { RuntimeUnavailable } from './runtime-process.ts';

/** What an error says to a person: the problem, and what to do where it knows that. */
export function spokenError(error: unknown): { problem: string; todo: string | undefined } {
  if (error instanceof RuntimeUnavailable) return { problem: error.message, todo: error.todo };
  if (error instanceof Error) return { problem: error.message, todo: todoOf(error) };
  return { problem: String(error), todo: undefined };
}

/** The runtime answers an `MlpipeError` as an error response whose data holds its `todo`. */
function todoOf(error: Error): string | undefined {
  if (!('data' in error) || typeof error.data !== 'object' || error.data === null) return undefined;
  return 'todo' in error.data && typeof error.data.todo === 'string' ? error.data.todo : undefined;
}

/** Whether a request ended because a person wanted it to, be it before or after the runtime had begun. */
export function isCancelled(error: unknown): boolean {
  if (!(error instanceof ResponseError)) return false;
  const data: unknown = error.data;
  const code = typeof data === 'object' && data !== null && 'code' in data ? data.code : undefined;
  return error.code === LSPErrorCodes.RequestCancelled || code === 'cancelled';
}

export interface Remedy {
  title: string;
  act: () => unknown;
}

/** An error message with its remedies as buttons; "Show Output" is always the last one. */
export async function tellTrouble(error: unknown, logs: Logs, remedies: Remedy[] = []): Promise<void> {
  const { problem, todo } = spokenError(error);
  logs.runtime.error(error instanceof Error && error.stack !== undefined ? error.stack : problem);
  await offer(vscode.window.showErrorMessage, [problem, todo].filter((part) => part !== undefined).join(' '), [
    ...remedies,
    { title: vscode.l10n.t('Show Output'), act: () => logs.runtime.show(true) },
  ]);
}

/** Shows a message with buttons and does what was chosen. */
export async function offer(
  show: (message: string, ...titles: string[]) => Thenable<string | undefined>,
  message: string,
  remedies: Remedy[],
): Promise<void> {
  const chosen = await show(message, ...remedies.map(({ title }) => title));
  await remedies.find(({ title }) => title === chosen)?.act();
}

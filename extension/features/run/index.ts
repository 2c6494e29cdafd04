/** Running a pipeline: ▶, progress with cancel, and what to do with how it ended. */
import * as vscode from 'vscode';
import { LSPErrorCodes, ResponseError } from 'vscode-languageclient';
import { type RunAnswer, RunPipelineRequest } from '../../../runtime/rpc/protocol.ts';
import { COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import type { LanguageServer } from '../../infrastructure/language-client.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import { type Running, type RunningRuns, shareOf } from '../../infrastructure/running.ts';
import { type RuntimeProcess, RuntimeUnavailable } from '../../infrastructure/runtime-process.ts';
import { type RunTarget, targetOf, uriOf } from '../../infrastructure/target.ts';
import { offer, type Remedy, tellTrouble } from '../../infrastructure/trouble.ts';
import { mayRun } from '../../infrastructure/trust.ts';
import { lensesWhileRunning } from './lenses.ts';
import { nameOfRun, outcomeOf, progressLine } from './messages.ts';

export interface RunDependencies {
  runtime: RuntimeProcess;
  language: LanguageServer;
  runs: RunningRuns;
  logs: Logs;
}

const LENS_REFRESH_MILLISECONDS = 400;

export function activateRunFeature({ runtime, language, runs, logs }: RunDependencies): vscode.Disposable {
  const cancels = new Map<number, vscode.CancellationTokenSource>();

  const run = async (target: RunTarget, force: boolean): Promise<RunAnswer | undefined> => {
    const file = target.uri.fsPath;
    const name = nameOfRun(file, target.steps);
    if (!mayRun(vscode.l10n.t('Running {0}', name))) return undefined;
    const already = runs.of(file, target.steps[0]);
    if (already !== undefined) {
      await offer(vscode.window.showInformationMessage, vscode.l10n.t('{0} is running already.', name), [
        { title: vscode.l10n.t('Cancel It'), act: () => cancels.get(already.id)?.cancel() },
      ]);
      return undefined;
    }
    await saveEverything();

    const running = runs.begin(file, target.steps);
    const cancel = new vscode.CancellationTokenSource();
    cancels.set(running.id, cancel);
    try {
      const answer = await withProgress(running, runs, name, cancel, () =>
        runtime.request(RunPipelineRequest, { file, steps: target.steps, force }, cancel.token),
      );
      void tellOutcome(answer, target);
      return answer;
    } catch (error) {
      void tellEnd(error, target, cancel.token.isCancellationRequested);
      return undefined;
    } finally {
      runs.end(running);
      cancels.delete(running.id);
      cancel.dispose();
    }
  };

  const tellOutcome = async (answer: RunAnswer, target: RunTarget): Promise<void> => {
    const { kind, message, record } = outcomeOf(answer, nameOfRun(target.uri.fsPath, target.steps));
    const showOutput: Remedy = { title: vscode.l10n.t('Show Output'), act: () => logs.runtime.show(true) };
    const showModel: Remedy[] =
      record === undefined
        ? []
        : [
            {
              title: vscode.l10n.t('Show Model'),
              act: () => vscode.commands.executeCommand(COMMANDS.showModel, target.uri.toString(), record),
            },
          ];
    switch (kind) {
      case 'failed':
        logs.runtime.error(message);
        return offer(vscode.window.showErrorMessage, message, [showOutput]);
      case 'cancelled':
        return offer(vscode.window.showInformationMessage, message, []);
      case 'nothing-to-do':
        return offer(vscode.window.showInformationMessage, message, [
          ...showModel,
          { title: vscode.l10n.t('Run Anyway'), act: () => run(target, true) },
        ]);
      case 'done':
        logs.runtime.info(message);
        return offer(vscode.window.showInformationMessage, message, showModel);
    }
  };

  const tellEnd = async (error: unknown, target: RunTarget, cancelled: boolean): Promise<void> => {
    const name = nameOfRun(target.uri.fsPath, target.steps);
    if (cancelled && error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled) {
      return offer(vscode.window.showInformationMessage, vscode.l10n.t('{0} was cancelled.', name), []);
    }
    if (error instanceof RuntimeUnavailable) {
      return tellTrouble(error, logs, [
        runtime.state.kind === 'failed'
          ? {
              title: vscode.l10n.t('Restart Runtime'),
              act: () => vscode.commands.executeCommand(COMMANDS.restartRuntime),
            }
          : { title: vscode.l10n.t('Run Again'), act: () => run(target, false) },
      ]);
    }
    return tellTrouble(error, logs);
  };

  const start = async (words: readonly unknown[], force: boolean): Promise<RunAnswer | undefined> => {
    const target = await targetOf(words);
    if (target === undefined) return undefined;
    if (target.uri.scheme !== 'file') {
      void vscode.window.showWarningMessage(vscode.l10n.t('Save the pipeline to a folder first, then run it.'));
      return undefined;
    }
    return run(target, force);
  };

  return vscode.Disposable.from(
    registerCommand(COMMANDS.run, logs, (...words) => start(words, false)),
    registerCommand(COMMANDS.runAgain, logs, (...words) => start(words, true)),
    registerCommand(COMMANDS.cancelRun, logs, (place, step) => {
      const uri = uriOf(place);
      const chosen =
        uri === undefined
          ? runs.all
          : [runs.of(uri.fsPath, typeof step === 'string' ? step : undefined)].filter((found) => found !== undefined);
      for (const { id } of chosen) cancels.get(id)?.cancel();
    }),
    language.decorateLenses((document, lenses) => lensesWhileRunning(runs, document, lenses)),
    refreshLensesWithRuns(runs, language),
    runs.onChanged(() => {
      void vscode.commands.executeCommand('setContext', 'mlpipe.running', runs.all.length > 0);
    }),
    runtime.onTold(({ message }) => logs.runtime.info(message)),
    runtime.onRunEvent(({ event }) => {
      if (event.type === 'step-output') logs.runtime.info(`${event.step}: ${event.text.trimEnd()}`);
      if (event.type === 'step-warning') logs.runtime.warn(`${event.step}: ${event.message}`);
      if (event.type === 'step-started') logs.runtime.info(`${event.step} runs: ${event.reason}`);
    }),
    new vscode.Disposable(() => {
      for (const cancel of cancels.values()) cancel.cancel();
    }),
  );
}

/** A run reads the disk: what is typed and not saved would silently not count. */
async function saveEverything(): Promise<void> {
  const dirty = vscode.workspace.textDocuments.filter((document) => document.isDirty && !document.isUntitled);
  const saved = await Promise.all(dirty.map((document) => document.save()));
  const lost = dirty
    .filter((_, index) => !saved[index])
    .map((document) => vscode.workspace.asRelativePath(document.uri));
  if (lost.length > 0) throw new Error(`${lost.join(', ')} could not be saved. Save it, then run again.`);
}

function withProgress<Answer>(
  running: Running,
  runs: RunningRuns,
  name: string,
  cancel: vscode.CancellationTokenSource,
  act: () => Promise<Answer>,
): Thenable<Answer> {
  const options = {
    location: vscode.ProgressLocation.Notification,
    title: vscode.l10n.t('Running {0}', name),
    cancellable: true,
  };
  return vscode.window.withProgress(options, async (progress, token) => {
    let told = 0;
    const report = (): void => {
      const share = shareOf(running) * 100;
      progress.report({ message: progressLine(running), increment: Math.max(0, share - told) });
      told = Math.max(told, share);
    };
    const listening = [
      runs.onChanged((changed) => {
        if (changed === running) report();
      }),
      token.onCancellationRequested(() => cancel.cancel()),
      cancel.token.onCancellationRequested(() => runs.cancelling(running)),
    ];
    report();
    try {
      return await act();
    } finally {
      for (const listener of listening) listener.dispose();
    }
  });
}

/** Every step of progress would ask the server for its lenses again; a few times a second is as good. */
function refreshLensesWithRuns(runs: RunningRuns, language: LanguageServer): vscode.Disposable {
  let timer: NodeJS.Timeout | undefined;
  const listening = runs.onChanged(() => {
    timer ??= setTimeout(() => {
      timer = undefined;
      language.refreshLenses();
    }, LENS_REFRESH_MILLISECONDS);
  });
  return new vscode.Disposable(() => {
    clearTimeout(timer);
    listening.dispose();
  });
}

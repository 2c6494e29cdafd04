/** Says how the language server and the runtime are, and restarts them: one language status item, one status bar item. */
import * as vscode from 'vscode';
import { COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import { LANGUAGE, type LanguageServer } from '../../infrastructure/language-client.ts';
import type { Logs } from '../../infrastructure/logging.ts';
import { foremostStep, type RunningRuns, shareOf } from '../../infrastructure/running.ts';
import type { RuntimeProcess, RuntimeState } from '../../infrastructure/runtime-process.ts';
import { offer } from '../../infrastructure/trouble.ts';
import { mayRun } from '../../infrastructure/trust.ts';

export interface StatusDependencies {
  runtime: RuntimeProcess;
  language: LanguageServer;
  runs: RunningRuns;
  logs: Logs;
}

export function activateStatusFeature({ runtime, language, runs, logs }: StatusDependencies): vscode.Disposable {
  const item = vscode.languages.createLanguageStatusItem('mlpipe.status', { language: LANGUAGE });
  item.name = 'mlpipe';
  const bar = vscode.window.createStatusBarItem('mlpipe.running', vscode.StatusBarAlignment.Left);
  bar.name = vscode.l10n.t('mlpipe: what is running');
  bar.command = 'mlpipe.models.focus';

  const draw = (): void => {
    const said = statusOf(runtime.state, language.state);
    item.text = said.text;
    item.detail = said.detail;
    item.severity = said.severity;
    item.busy = said.busy;
    item.command = said.command;
  };
  const drawRuns = (): void => {
    const [running, ...more] = runs.all;
    if (running === undefined) {
      bar.hide();
      return;
    }
    const name = foremostStep(running)?.step ?? vscode.l10n.t('mlpipe');
    const others = more.length === 0 ? '' : ` +${more.length}`;
    bar.text = `$(loading~spin) ${name} ${Math.round(shareOf(running) * 100)} %${others}`;
    bar.tooltip = vscode.l10n.t('mlpipe is running. Click to see it among the models.');
    bar.show();
  };

  /** A runtime that will not come back by itself is told once; every later request tells it again where it was asked. */
  const tellFailure = (state: RuntimeState): void => {
    if (state.kind !== 'failed') return;
    void offer(vscode.window.showErrorMessage, `${state.problem} ${state.todo}`, [
      { title: vscode.l10n.t('Restart Runtime'), act: () => runtime.restart() },
      { title: vscode.l10n.t('Show Output'), act: () => logs.runtime.show(true) },
    ]);
  };

  draw();
  return vscode.Disposable.from(
    item,
    bar,
    runtime.onStateChanged((state) => {
      draw();
      tellFailure(state);
    }),
    language.onStateChanged((state) => {
      draw();
      if (state.kind === 'failed') {
        void offer(vscode.window.showErrorMessage, `${state.problem} ${state.todo}`, [
          { title: vscode.l10n.t('Restart Language Server'), act: () => language.restart() },
          { title: vscode.l10n.t('Show Output'), act: () => logs.language.show(true) },
        ]);
      }
    }),
    runs.onChanged(drawRuns),
    registerCommand(COMMANDS.restartRuntime, logs, async () => {
      if (mayRun(vscode.l10n.t('The runtime'))) await runtime.restart();
    }),
    registerCommand(COMMANDS.restartLanguageServer, logs, () => language.restart()),
    registerCommand(COMMANDS.showOutput, logs, () => logs.runtime.show(true)),
  );
}

interface Said {
  text: string;
  detail: string;
  severity: vscode.LanguageStatusSeverity;
  busy: boolean;
  command: vscode.Command | undefined;
}

function statusOf(runtime: RuntimeState, language: LanguageServer['state']): Said {
  const { Error: Bad, Warning, Information } = vscode.LanguageStatusSeverity;
  const restart = { command: COMMANDS.restartRuntime, title: vscode.l10n.t('Restart Runtime') };
  const output = { command: COMMANDS.showOutput, title: vscode.l10n.t('Show Output') };
  if (language.kind === 'failed') {
    const command = { command: COMMANDS.restartLanguageServer, title: vscode.l10n.t('Restart Language Server') };
    return { text: 'mlpipe: no language server', detail: language.problem, severity: Bad, busy: false, command };
  }
  if (!vscode.workspace.isTrusted) {
    const command = { command: 'workbench.trust.manage', title: vscode.l10n.t('Manage Workspace Trust') };
    const detail = vscode.l10n.t('Restricted Mode: checking works, running is off');
    return { text: 'mlpipe', detail, severity: Warning, busy: false, command };
  }
  switch (runtime.kind) {
    case 'failed':
      return { text: 'mlpipe: no runtime', detail: runtime.problem, severity: Bad, busy: false, command: restart };
    case 'restarting':
      return { text: 'mlpipe', detail: runtime.problem, severity: Warning, busy: true, command: output };
    case 'starting':
      return {
        text: 'mlpipe',
        detail: vscode.l10n.t('the runtime is starting'),
        severity: Information,
        busy: true,
        command: output,
      };
    case 'ready': {
      const detail = `mlpipe ${runtime.hello.version}, Node ${runtime.hello.node}`;
      return { text: 'mlpipe', detail, severity: Information, busy: language.kind === 'starting', command: output };
    }
    case 'stopped':
      return {
        text: 'mlpipe',
        detail: vscode.l10n.t('the runtime starts when it is needed'),
        severity: Information,
        busy: language.kind === 'starting',
        command: output,
      };
  }
}

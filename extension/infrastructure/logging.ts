/** The two output channels: what the language server says, and what the runtime and its runs say. */
import * as vscode from 'vscode';

export interface Logs {
  language: vscode.LogOutputChannel;
  runtime: vscode.LogOutputChannel;
}

export function createLogs(): Logs & vscode.Disposable {
  const language = vscode.window.createOutputChannel('mlpipe Language Server', { log: true });
  const runtime = vscode.window.createOutputChannel('mlpipe', { log: true });
  return {
    language,
    runtime,
    dispose() {
      language.dispose();
      runtime.dispose();
    },
  };
}

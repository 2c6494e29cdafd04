/** The first minutes: the walkthrough, and a first pipeline to begin with. */
import * as vscode from 'vscode';
import { COMMANDS, EDITOR_COMMANDS, registerCommand } from '../../infrastructure/commands.ts';
import { LANGUAGE } from '../../infrastructure/language-client.ts';
import type { Logs } from '../../infrastructure/logging.ts';

export interface WalkthroughDependencies {
  /** `publisher.name` of the extension. */
  extensionId: string;
  logs: Logs;
}

/** A classifier over a table; the tab stops are what differs from one project to the next. */
const FIRST_PIPELINE = `pipeline \${1:flowers}

environment here {
  engine   wasm
  results  repeatable
}

data \${1:flowers} {
  from  "\${2:data/flowers.csv}"
  schema {
    \${3:petal}  float[\${4:4}]
    \${5:kind}   class(\${6:3})
  }
  split {
    train     80%
    test      20%
    stratify  \${5:kind}
    seed      7
  }
}

model small {
  input \${1:flowers}.\${3:petal}
  dense(units: 16, activation: relu)
  dense(units: \${6:3}, activation: softmax)
}

train recognise {
  model      small
  on         \${1:flowers}.train
  in         here
  loss       crossEntropy
  optimizer  adam
  epochs     20
  batch      32
  seed       7
}

evaluate recognise on \${1:flowers}.test {
  accuracy  >= \${7:90}%  within 2 pt
}
`;

export function activateWalkthroughFeature({ extensionId, logs }: WalkthroughDependencies): vscode.Disposable {
  return vscode.Disposable.from(
    registerCommand(COMMANDS.openWalkthrough, logs, () =>
      vscode.commands.executeCommand(EDITOR_COMMANDS.openWalkthrough, `${extensionId}#mlpipe.start`, false),
    ),
    registerCommand(COMMANDS.newPipeline, logs, async () => {
      const document = await vscode.workspace.openTextDocument({ language: LANGUAGE });
      const editor = await vscode.window.showTextDocument(document);
      await editor.insertSnippet(new vscode.SnippetString(FIRST_PIPELINE), new vscode.Position(0, 0));
    }),
  );
}

/** mlpipe as tasks: the command line inside the editor, its problems in the Problems view. */
import { basename } from 'node:path';
import * as vscode from 'vscode';
import type { NodeProgram, NoNode } from '../../infrastructure/node-finder.ts';

export interface TasksDependencies {
  findNode: () => Promise<NodeProgram | NoNode>;
  /** `dist/cli.cjs`. */
  program: string;
}

const ACTIONS = ['run', 'check', 'status'] as const;
type Action = (typeof ACTIONS)[number];

/** As the manifest's `taskDefinitions` has it. */
interface MlpipeTask extends vscode.TaskDefinition {
  type: 'mlpipe';
  task: Action;
  /** Relative to the folder. */
  file?: string;
  steps?: string[];
}

export function activateTasksFeature({ findNode, program }: TasksDependencies): vscode.Disposable {
  const make = (definition: MlpipeTask, scope: vscode.WorkspaceFolder, node: NodeProgram): vscode.Task => {
    const { task, file, steps = [] } = definition;
    const words = [program, task, ...(file === undefined ? [] : [file]), ...steps];
    const execution = new vscode.ProcessExecution(node.path, words, {
      cwd: scope.uri.fsPath,
      env: node.environment,
    });
    const name = [task, ...(file === undefined ? [] : [basename(file)]), ...steps].join(' ');
    const made = new vscode.Task(definition, scope, name, 'mlpipe', execution, '$mlpipe');
    if (task === 'run') made.group = vscode.TaskGroup.Build;
    if (task === 'check') made.group = vscode.TaskGroup.Test;
    return made;
  };

  return vscode.tasks.registerTaskProvider('mlpipe', {
    async provideTasks() {
      if (!vscode.workspace.isTrusted) return [];
      const node = await findNode();
      if ('problem' in node) return [];
      const files = await vscode.workspace.findFiles('**/*.mlpipe', '**/{node_modules,.mlpipe}/**', 50);
      return files.flatMap((uri) => {
        const folder = vscode.workspace.getWorkspaceFolder(uri);
        if (folder === undefined) return [];
        const file = vscode.workspace.asRelativePath(uri, false);
        return ACTIONS.map((task) => make({ type: 'mlpipe', task, file }, folder, node));
      });
    },
    async resolveTask(task) {
      const definition = asMlpipeTask(task.definition);
      const scope = task.scope;
      const node = await findNode();
      if (definition === undefined || 'problem' in node || typeof scope !== 'object') return undefined;
      return make(definition, scope, node);
    },
  });
}

/** A task from a person's `tasks.json` may say anything. */
function asMlpipeTask({ type, task, file, steps }: vscode.TaskDefinition): MlpipeTask | undefined {
  const action = ACTIONS.find((known) => known === task);
  if (type !== 'mlpipe' || action === undefined) return undefined;
  return {
    type: 'mlpipe',
    task: action,
    ...(typeof file === 'string' ? { file } : {}),
    ...(Array.isArray(steps) ? { steps: steps.filter((step) => typeof step === 'string') } : {}),
  };
}

/** Finds the Node that runs the runtime and the language server: never "whatever is installed", and never an old one. */
import { execFile } from 'node:child_process';
import { access, constants } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { promisify } from 'node:util';
import { isNewEnough } from './node-version.ts';

const execute = promisify(execFile);

export interface NodeProgram {
  path: string;
  /** Without the leading `v`. */
  version: string;
  /** What the environment needs for it: Electron runs as Node only when told. */
  environment: Record<string, string>;
  origin: 'setting' | 'editor' | 'project';
}

/** Why there is none, and what to do about it. */
export interface NoNode {
  problem: string;
  todo: string;
}

export interface NodeQuestion {
  /** The manifest's `engines.node`. */
  floor: string;
  /** The setting `mlpipe.nodePath`; empty where it is not set. */
  setting: string;
  /** Folders of the workspace, the first one first. */
  folders: readonly string[];
  /** In a workspace that is not trusted nothing of it may be run, the setting included. */
  trusted: boolean;
  /** This process; a test hands in another. */
  editor?: { execPath: string; node: string; electron: string | undefined };
}

/**
 * The setting where it is set, because who set it meant it; else the editor's own Node where that is new enough; else
 * the one that a workspace folder has installed as a package (`node_modules/.bin/node`).
 */
export async function findNode(question: NodeQuestion): Promise<NodeProgram | NoNode> {
  const { floor, folders, trusted } = question;
  const editor = question.editor ?? {
    execPath: process.execPath,
    node: process.versions.node,
    electron: process.versions.electron,
  };
  const setting = trusted ? question.setting.trim() : '';
  if (setting !== '') return fromSetting(setting, floor, folders);

  if (isNewEnough(editor.node, floor)) {
    const environment: Record<string, string> = editor.electron === undefined ? {} : { ELECTRON_RUN_AS_NODE: '1' };
    return { path: editor.execPath, version: editor.node, environment, origin: 'editor' };
  }

  if (trusted) {
    for (const folder of folders) {
      const path = join(folder, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node');
      const version = await versionOf(path);
      if (version !== undefined && isNewEnough(version, floor)) {
        return { path, version, environment: {}, origin: 'project' };
      }
    }
  }
  return {
    problem: `mlpipe needs Node ${spoken(floor)}, and this editor brings Node ${editor.node}.`,
    todo: trusted
      ? 'Update the editor, or install Node in the project (npm install node@24), or set "mlpipe.nodePath" to a newer one.'
      : 'Update the editor, or trust this workspace so that another Node may be used.',
  };
}

async function fromSetting(setting: string, floor: string, folders: readonly string[]): Promise<NodeProgram | NoNode> {
  const path = isAbsolute(setting) || folders[0] === undefined ? setting : join(folders[0], setting);
  const version = await versionOf(path);
  if (version === undefined) {
    return {
      problem: `The setting "mlpipe.nodePath" names ${path}, and that is no Node that can be run.`,
      todo: 'Correct the setting, or remove it to use the editor’s own Node.',
    };
  }
  if (!isNewEnough(version, floor)) {
    return {
      problem: `The setting "mlpipe.nodePath" names Node ${version}, and mlpipe needs Node ${spoken(floor)}.`,
      todo: 'Name a newer Node, or remove the setting to use the editor’s own.',
    };
  }
  return { path, version, environment: {}, origin: 'setting' };
}

async function versionOf(path: string): Promise<string | undefined> {
  try {
    await access(path, constants.X_OK);
    const { stdout } = await execute(path, ['--version'], {
      timeout: 10_000,
      windowsHide: true,
      shell: path.endsWith('.cmd'),
    });
    return /^v(\d+\.\d+\.\d+)/.exec(stdout.trim())?.[1];
  } catch {
    // Missing, not executable, or no Node: for the one who asks it is all the same, there is none here.
    return undefined;
  }
}

function spoken(floor: string): string {
  return `${floor.replace(/^\D+/, '')} or newer`;
}

/** Shows what a commit changed, by the editor's own git where that is there; else its id is copied. */
import * as vscode from 'vscode';
import { EDITOR_COMMANDS } from '../../infrastructure/commands.ts';

/** As much of the git extension's interface (`vscode.git`, version 1) as is used here. */
interface GitExtension {
  getAPI(version: 1): Git;
}

interface Git {
  openRepository(root: vscode.Uri): Promise<Repository | null>;
  toGitUri(uri: vscode.Uri, reference: string): vscode.Uri;
}

interface Repository {
  getCommit(reference: string): Promise<{ hash: string; message: string; parents: string[] }>;
  diffBetween(one: string, other: string): Promise<{ uri: vscode.Uri; originalUri: vscode.Uri }[]>;
}

export async function openCommit(folder: string, id: string): Promise<void> {
  if (!(await shown(folder, id))) {
    await vscode.env.clipboard.writeText(id);
    vscode.window.setStatusBarMessage(vscode.l10n.t('Copied {0}; the editor’s git cannot show it', id), 6000);
  }
}

async function shown(folder: string, id: string): Promise<boolean> {
  try {
    const extension = vscode.extensions.getExtension<GitExtension>('vscode.git');
    const git = (await extension?.activate())?.getAPI(1);
    const repository = await git?.openRepository(vscode.Uri.file(folder));
    if (git === undefined || !repository) return false;
    const commit = await repository.getCommit(id);
    const [parent] = commit.parents;
    if (parent === undefined) {
      // With what is before the first commit nothing of this interface compares; the command of git's own views does.
      await vscode.commands.executeCommand(EDITOR_COMMANDS.viewCommit, vscode.Uri.file(folder), commit.hash);
      return true;
    }
    const changes = await repository.diffBetween(parent, commit.hash);
    const title = `${commit.hash.slice(0, 8)} ${commit.message.split('\n')[0]}`;
    await vscode.commands.executeCommand(
      EDITOR_COMMANDS.changes,
      title,
      changes.map(({ uri, originalUri }) => [uri, git.toGitUri(originalUri, parent), git.toGitUri(uri, commit.hash)]),
    );
    return true;
  } catch {
    // Switched off, another version, or a commit that this clone of the repository does not have.
    return false;
  }
}

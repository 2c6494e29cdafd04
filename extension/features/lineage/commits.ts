/** Shows what a commit changed, by the editor's own git where that is there; else its id is copied. */
import * as vscode from 'vscode';

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

/** The tree without files, by the name that git itself gives it: the first commit is compared with it. */
const NO_FILES = '4b825dc642cb6eb9a060e54bf8d69288fbee4904';

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
    const changes = await repository.diffBetween(parent ?? NO_FILES, commit.hash);
    const title = `${commit.hash.slice(0, 8)} ${commit.message.split('\n')[0]}`;
    await vscode.commands.executeCommand(
      'vscode.changes',
      title,
      changes.map(({ uri, originalUri }) => [
        uri,
        parent === undefined ? undefined : git.toGitUri(originalUri, parent),
        git.toGitUri(uri, commit.hash),
      ]),
    );
    return true;
  } catch {
    // Switched off, another version, or a commit that this clone of the repository does not have.
    return false;
  }
}

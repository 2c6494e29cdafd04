/** Tells when something outside the text changes: what a pipeline names, and the records of its runs. */
import fs from 'node:fs';
import { basename, dirname } from 'node:path';

/** How often a file is looked at where the system cannot tell of changes, in milliseconds. */
const POLL = 500;

/**
 * Calls back when one of the paths changes, comes or goes, or something in a folder among them does. A path need not be
 * there yet. Of a glob the folder above its first placeholder is watched.
 *
 * Folders and not files are watched, because an editor that saves by renaming replaces the file.
 */
export function watchPaths(paths: readonly string[], changed: () => void): { dispose(): void } {
  const folders = new Map<string, Set<string> | 'all'>();
  for (const path of paths) {
    const fixed = beforePlaceholder(path);
    const there = statOf(fixed);
    if (fixed !== path || there?.isDirectory()) folders.set(fixed, 'all');
    if (there?.isDirectory()) continue;
    const folder = nearestFolder(fixed);
    const names = folders.get(folder) ?? new Set<string>();
    if (names === 'all') continue;
    // The name below the folder that is there: the file itself, or the first folder that is still missing.
    names.add(basename(childOf(folder, fixed)));
    folders.set(folder, names);
  }
  const watchers: { close(): void }[] = [];
  for (const [folder, names] of folders) {
    if (!fs.existsSync(folder)) continue;
    const concerns = (name: string | null) => names === 'all' || name === null || names.has(name);
    try {
      const watcher = fs.watch(folder, { recursive: names === 'all' }, (_, name) => {
        if (concerns(name)) changed();
      });
      watcher.on('error', () => watcher.close());
      watchers.push(watcher);
    } catch {
      // No watching on this disk, or no handle left: look every now and then.
      const listener = () => changed();
      fs.watchFile(folder, { interval: POLL, persistent: false }, listener);
      watchers.push({ close: () => fs.unwatchFile(folder, listener) });
    }
  }
  return {
    dispose() {
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** A name that no disk can hold is not there either. */
function statOf(path: string): fs.Stats | undefined {
  try {
    return fs.statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function beforePlaceholder(path: string): string {
  const placeholder = path.search(/[*?[{]/);
  return placeholder === -1 ? path : dirname(`${path.slice(0, placeholder)}x`);
}

function nearestFolder(path: string): string {
  let folder = dirname(path);
  while (!fs.existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  return folder;
}

function childOf(folder: string, path: string): string {
  let child = path;
  while (dirname(child) !== folder && dirname(child) !== child) child = dirname(child);
  return child;
}

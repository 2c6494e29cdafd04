/** The world as the runtime finds it. Loaded when it is first asked for something: the first diagnostics need none of it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { PinHistories } from '../../runtime/facts/pin-history.ts';
import type { World } from './world.ts';

export function runtimeWorld(): World {
  /** Made when it is needed, and gone with the process. */
  let scratch: string | undefined;
  let histories: PinHistories | undefined;
  const scratchStore = () => {
    if (scratch === undefined) {
      const made = mkdtempSync(join(tmpdir(), 'mlpipe-untrusted-'));
      process.once('exit', () => rmSync(made, { recursive: true, force: true }));
      scratch = made;
    }
    return join(scratch, 'store');
  };
  return {
    async gather({ document, file, trusted, signal }) {
      const api = await import('../../runtime/api.ts');
      return api.withProject(
        dirname(file),
        (project) =>
          // `factsOf` reads the tree of a file of this language, which this server alone has in its documents.
          api.factsOf(
            project,
            { document: document as Parameters<typeof api.factsOf>[1]['document'] },
            { trusted, signal },
          ),
        // A folder that is not trusted is left as it is, and what its store claims to remember is not believed.
        trusted ? {} : { store: scratchStore() },
      );
    },
    async pinHistory({ signal, ...question }) {
      const [api, { PinHistories: Histories }] = await Promise.all([
        import('../../runtime/api.ts'),
        import('../../runtime/facts/pin-history.ts'),
      ]);
      histories ??= new Histories();
      const known = histories;
      return api.withProject(dirname(question.file), (project) => api.pinHistory(project, known, question, signal));
    },
    watch({ file, sources }, changed) {
      let watch: { dispose(): void } | undefined;
      let disposed = false;
      void Promise.all([import('../../runtime/api.ts'), import('../../runtime/facts/watch.ts')]).then(
        ([{ rootOf, decayPath }, { watchPaths }]) => {
          const root = rootOf(dirname(file));
          const folder = join(root, '.mlpipe');
          const kept = [join(folder, 'records'), decayPath({ root, store: { folder } }, file)];
          if (!disposed) watch = watchPaths([...sources, ...kept], changed);
        },
      );
      return {
        dispose() {
          disposed = true;
          watch?.dispose();
        },
      };
    },
  };
}

/** The world as the runtime finds it. Loaded when it is first asked for something: the first diagnostics need none of it. */
import { dirname } from 'node:path';
import type { World } from './world.ts';

export function runtimeWorld(): World {
  return {
    async gather({ document, file, trusted, signal }) {
      const api = await import('../../runtime/api.ts');
      return api.withProject(dirname(file), (project) =>
        // `factsOf` reads the tree of a file of this language, which this server alone has in its documents.
        api.factsOf(
          project,
          { document: document as Parameters<typeof api.factsOf>[1]['document'] },
          { trusted, signal },
        ),
      );
    },
    watch({ file, sources }, changed) {
      let watch: { dispose(): void } | undefined;
      let disposed = false;
      void Promise.all([import('../../runtime/api.ts'), import('../../runtime/facts/watch.ts')]).then(
        ([{ rootOf }, { watchPaths }]) => {
          if (!disposed) watch = watchPaths([...sources, `${rootOf(dirname(file))}/.mlpipe/records`], changed);
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

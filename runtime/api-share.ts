/** The part of the façade that shares: remotes, and what goes there and comes from there. */

/** Loaded when something is to travel: nothing else needs a remote. */
export const sharing = {
  remotes: () => import('./share/remotes.ts'),
  push: async (...parameters: Parameters<typeof import('./share/push.ts').push>) =>
    (await import('./share/push.ts')).push(...parameters),
  pull: async (...parameters: Parameters<typeof import('./share/pull.ts').pull>) =>
    (await import('./share/pull.ts')).pull(...parameters),
  fetch: async (...parameters: Parameters<typeof import('./share/pull.ts').fetchAll>) =>
    (await import('./share/pull.ts')).fetchAll(...parameters),
};

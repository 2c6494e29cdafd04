/** What this server and its clients agree on beyond the Language Server Protocol. */

/** What a client may say as `initializationOptions`. */
export interface InitializationOptions {
  /**
   * `false` in a workspace that its user does not trust: nothing is then executed to find out about the world, neither
   * a program to ask its version nor git, whose configuration may name programs. Everything else works.
   */
  trusted?: boolean;
}

/** Commands that code lenses and links name. The client carries them out. */
export const COMMANDS = {
  /** Arguments: the pipeline's URI, the step's name. */
  run: 'mlpipe.run',
  /** Arguments: the pipeline's URI, the record's digest or any reference to it. */
  showRecord: 'mlpipe.showRecord',
  /** Arguments: the pipeline's URI, the step's name. */
  why: 'mlpipe.why',
} as const;

/** The scheme under which the library's text is served (`workspace/textDocumentContent`). */
export const BUILTIN_SCHEME = 'builtin';

/** Passwords inside URLs, which must not reach a record, a lock or a log. */

/** `https://user:token@host/x?key=abc` → `https://host/x?key=…`, wherever in a text it stands. */
export function withoutUrlCredentials(text: string): string {
  if (!text.includes('://')) return text;
  return (
    text
      // The user's name of an SSH address is no secret and is needed to reach it.
      .replace(/\b((?:git\+)?ssh:\/\/[^\s@/:]+):[^\s@/]*@/gi, '$1@')
      .replace(/\b(?!(?:git\+)?ssh:)([a-z][a-z0-9+.-]*:\/\/)[^\s/?#]*@/gi, '$1')
      .replace(/([?&][^=&\s]*(?:token|key|secret|password|signature|credential)[^=&\s]*=)[^&#\s]+/gi, '$1…')
  );
}

/** How things are called across formats: URIs, package URLs, ids. */
import type { Digest } from '../../grammar/plan/plan.ts';
import type { CodeState, RunRecord } from '../ledger/record.ts';

/** What our own terms are named by. */
export const HOME = 'https://mlpipe.dev';

/** The hexadecimal digits of a digest. */
export function hex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}

/** A UUID that follows from a digest (version 8 of RFC 9562: the maker's own), so that documents repeat. */
export function uuidOf(digest: Digest): string {
  const digits = hex(digest);
  const variant = ((Number.parseInt(digits[16] ?? '0', 16) & 3) | 8).toString(16);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `8${digits.slice(13, 16)}`,
    `${variant}${digits.slice(17, 20)}`,
    digits.slice(20, 32),
  ].join('-');
}

/** The repository as a URI, `git@host:path` spelt out; nothing where the record knows none, or one of this machine. */
export function repositoryOf(code: CodeState | null): string | undefined {
  const remote = code?.remote;
  if (remote === undefined) return undefined;
  if (/^(?:https?|ssh|git):\/\//.test(remote)) return remote;
  const short = /^(?:([\w.-]+)@)?([\w.-]+):(?!\/\/)(.+)$/.exec(remote);
  return short ? `ssh://${short[1] === undefined ? '' : `${short[1]}@`}${short[2]}/${short[3]}` : undefined;
}

/** Where a browser finds a file of the commit, by the addresses that GitHub, GitLab, Gitea and others share. */
export function sourceUrl(code: CodeState | null, file: string): string | undefined {
  const repository = repositoryOf(code);
  if (repository === undefined || code === null) return undefined;
  if (!/^https?:/.test(repository)) return repository;
  const path = file.split('/').map(encodeURIComponent).join('/');
  return `${repository.replace(/\.git$/, '')}/blob/${code.commit}/${path}`;
}

/** The package that trained, as a package URL. */
export function enginePackage(engine: RunRecord['engine']): string | undefined {
  if (engine === null) return undefined;
  const packages: Record<string, string> = {
    wasm: 'pkg:npm/%40tensorflow/tfjs-backend-wasm',
    webgpu: 'pkg:npm/%40tensorflow/tfjs-backend-webgpu',
    tensorflow: 'pkg:generic/tensorflow',
  };
  const name = packages[engine.name];
  return name === undefined ? undefined : `${name}@${engine.version}`;
}

/** `data:digits` → `digits` */
export function plainName(input: string): string {
  return input.slice(input.indexOf(':') + 1);
}

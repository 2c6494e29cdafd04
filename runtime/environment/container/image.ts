/** An image made to be there, under the digest that is pinned and no other. */
import type { Digest, ImagePlan } from '../../../grammar/plan/plan.ts';
import { MlpipeError } from '../../errors.ts';
import { isOffline, runCommand } from '../languages/command.ts';
import type { ContainerRuntime } from './runtimes.ts';

export interface PresentImage {
  /** `docker.io/library/python@sha256:…` */
  reference: string;
  digest: Digest;
  /** The digest of its configuration, by which the runtime names what it unpacked; nothing where it says none. */
  id?: string;
}

export interface ImageOptions {
  environment: NodeJS.ProcessEnv;
  signal: AbortSignal;
  /** It has to be fetched first. */
  onPull?: () => void;
}

/** The registry that is meant where none is named, as docker has it: podman would ask or guess. */
export function qualified(name: string): string {
  const [first = '', ...rest] = name.split('/');
  if (rest.length > 0 && (/[.:]/.test(first) || first === 'localhost')) return name;
  return rest.length === 0 ? `docker.io/library/${name}` : `docker.io/${name}`;
}

/** @throws MlpipeError `image-not-pinned` */
export function pinnedImage({ name, digest }: ImagePlan): { name: string; digest: Digest } {
  if (digest !== undefined) return { name, digest };
  throw new MlpipeError(`The image ${name} is not named by its digest.`, {
    code: 'image-not-pinned',
    todo: 'Write `"NAME@sha256:…"`: a tag can be another image tomorrow. `mlpipe explain MLP3014` says how to find it.',
    exit: 2,
  });
}

/**
 * Fetches the image where the runtime does not have it, and sees that what it has is what is pinned.
 *
 * @throws MlpipeError `image-not-pinned`, `image-missing`, `image-offline`, `image-differs`, `cancelled`
 */
export async function ensureImage(
  runtime: ContainerRuntime,
  image: ImagePlan,
  options: ImageOptions,
): Promise<PresentImage> {
  const { name, digest } = pinnedImage(image);
  const reference = `${qualified(name)}@${digest}`;
  // Apptainer fetches and unpacks by digest when it runs, and does not say what it has.
  const fetchesItself = runtime.name === 'apptainer';
  const known = fetchesItself ? undefined : await inspect(runtime, reference, options);
  if (known === undefined) {
    if (isOffline(options.environment)) {
      throw new MlpipeError(`${runtime.name} has not ${reference}, and MLPIPE_OFFLINE forbids to fetch it.`, {
        code: 'image-offline',
        todo: 'Allow the network once, so that it is fetched.',
        exit: 2,
      });
    }
    if (fetchesItself) return { reference, digest };
    options.onPull?.();
    await runCommand(runtime.program, ['pull', '--quiet', reference], {
      folder: process.cwd(),
      environment: options.environment,
      signal: options.signal,
      what: `The image ${reference}`,
      todo: `See that ${runtime.name} reaches its registry (\`${runtime.name} login\`), and that the image is still there.`,
      code: 'image-missing',
    });
  }
  const present = known ?? (await inspect(runtime, reference, options));
  if (present?.digests.includes(digest)) return { reference, digest, id: present.id };
  throw new MlpipeError(`${runtime.name} has another image under ${reference}.`, {
    code: 'image-differs',
    todo: `Remove it (\`${runtime.name} image rm ${reference}\`), and run again.`,
    exit: 2,
  });
}

/** Whether the runtime has an image, without fetching it. */
export async function hasImage(runtime: ContainerRuntime, image: ImagePlan, options: ImageOptions): Promise<boolean> {
  if (image.digest === undefined || runtime.name === 'apptainer') return false;
  const present = await inspect(runtime, `${qualified(image.name)}@${image.digest}`, options);
  return present?.digests.includes(image.digest) === true;
}

async function inspect(
  { program }: ContainerRuntime,
  reference: string,
  { environment, signal }: ImageOptions,
): Promise<{ digests: string[]; id: string } | undefined> {
  try {
    const said = await runCommand(
      program,
      ['image', 'inspect', '--format', '{{json .RepoDigests}} {{.Id}}', reference],
      {
        folder: process.cwd(),
        environment,
        signal,
        what: `The image ${reference}`,
        todo: 'It is fetched where it is not there.',
        code: 'image-missing',
      },
    );
    const [, list = '[]', id = ''] = /^(\[.*\]|null) (\S+)/.exec(said) ?? [];
    // Its own form: `["docker.io/library/python@sha256:…"]`.
    const names = (JSON.parse(list) ?? []) as string[];
    return {
      digests: names.map((each) => each.slice(each.indexOf('@') + 1)),
      id: id.replace(/^(?!sha256:)/, 'sha256:'),
    };
  } catch (error) {
    if (error instanceof MlpipeError && error.code === 'image-missing') return undefined;
    throw error;
  }
}

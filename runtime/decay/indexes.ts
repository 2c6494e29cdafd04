/** Whether the package indexes that this machine has configured still have what lock files pin, with the same digests. */
import { possibleHere } from '../engines/tensorflow/here.ts';
import { listInstalled } from '../engines/tensorflow/installed.ts';
import { indexConfiguration, withoutCredentials } from '../engines/tensorflow/provision/index-configuration.ts';
import { filesInIndex, findWheel } from '../engines/tensorflow/provision/package-index.ts';
import { get, getText, WebError, type WebOptions } from '../engines/tensorflow/provision/web.ts';
import { MlpipeError } from '../errors.ts';
import type { LockedPackage } from './locked.ts';
import { npmConfiguration } from './npm-configuration.ts';
import { decayed, type Place, resolves, unknown } from './places.ts';

export interface IndexOptions {
  signal: AbortSignal;
  /** Milliseconds without an answer. */
  silence: number;
  environment?: NodeJS.ProcessEnv;
}

/** Asks about one package. */
export async function inIndex(locked: LockedPackage, options: IndexOptions): Promise<Place> {
  if (locked.hashes.length === 0) return unknown('the lock file gives no digest that could be compared');
  return asking(options, () => (locked.ecosystem === 'npm' ? inRegistry(locked, options) : inPython(locked, options)));
}

/** Asks whether a version of TensorFlow can be had, and whether its file still is what was installed here. */
export async function tensorflowInIndex(version: string, options: IndexOptions): Promise<Place> {
  const { indexes, forbidden } = indexConfiguration(options.environment);
  if (forbidden !== undefined) return unknown(`${forbidden} forbids to ask the package index`);
  const here = possibleHere();
  if (!here.possible) return unknown(`not for this machine: ${here.reason}`);
  return asking(options, async () => {
    const { wheel, versions } = await findWheel(indexes, here.on, 'cpu', version, webOptions(options));
    if (wheel === undefined)
      return decayed(`no package index has it${versions.length === 0 ? '' : `; the newest is ${versions.at(-1)}`}`);
    const installed = listInstalled().find(
      ({ manifest }) => manifest.version === version && manifest.source.file === wheel.file,
    );
    if (installed && installed.manifest.source.sha256 !== wheel.sha256)
      return decayed(`${wheel.index} has other bytes of ${wheel.file} than were installed here`);
    const { answer } = await get(wheel.address, webOptions(options));
    // The first byte says as much as the last: what its digest must be stands in the index.
    answer.destroy();
    if (answer.statusCode !== 200) return ofStatus(wheel.index, answer.statusCode ?? 0, wheel.file);
    return resolves(wheel.index);
  });
}

async function inPython({ name, version, hashes, registry }: LockedPackage, options: IndexOptions): Promise<Place> {
  const { indexes, forbidden } = indexConfiguration(options.environment);
  if (forbidden !== undefined) return unknown(`${forbidden} forbids to ask the package index`);
  const all = [...new Set([...indexes, ...(registry?.startsWith('https:') ? [registry.replace(/\/+$/, '')] : [])])];
  const found = new Set<string>();
  const asked: string[] = [];
  let trouble: unknown;
  for (const index of all) {
    try {
      const { files } = await filesInIndex(index, name, webOptions(options));
      for (const { sha256 } of files) if (sha256 !== undefined) found.add(sha256);
      asked.push(withoutCredentials(index));
    } catch (error) {
      if (!(error instanceof WebError)) throw error;
      trouble = error;
    }
    if (hashes.every((hash) => found.has(hash))) return resolves(asked.join(', '));
  }
  // What one index did not have, another that did not answer may have.
  if (trouble !== undefined) throw trouble;
  const gone = hashes.filter((hash) => !found.has(hash)).length;
  const which = gone === hashes.length ? 'none' : `only ${hashes.length - gone}`;
  return decayed(`${asked.join(', ')} has ${which} of the ${hashes.length} files that are pinned of ${version}`);
}

async function inRegistry(
  { name, version, hashes: [pinned = ''] }: LockedPackage,
  options: IndexOptions,
): Promise<Place> {
  const { registry, token, offline } = npmConfiguration(name, options.environment);
  if (offline !== undefined) return unknown(`${offline} forbids to ask the registry`);
  const shown = withoutCredentials(registry);
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const address = `${registry}/${name.replace('/', '%2f')}`;
  const ask = async (url: string): Promise<Record<string, unknown> | undefined> => {
    try {
      return fieldsOf(JSON.parse((await getText(url, { ...webOptions(options), headers })).text));
    } catch (error) {
      if (error instanceof WebError && (error.status === 404 || error.status === 405)) return undefined;
      if (error instanceof SyntaxError) throw new WebError(`${shown} answers what is no JSON.`);
      throw error;
    }
  };
  // A registry may not answer for one version alone.
  const one = (await ask(`${address}/${version}`)) ?? fieldsOf(fieldsOf((await ask(address))?.versions)[version]);
  const { integrity, shasum } = fieldsOf(one.dist);
  const there = [
    ...(typeof integrity === 'string' ? integrity.split(/\s+/) : []),
    ...(typeof shasum === 'string' ? [`sha1-${Buffer.from(shasum, 'hex').toString('base64')}`] : []),
  ];
  if (there.length === 0) return decayed(`${shown} does not have it`);
  const wanted = pinned.split(/\s+/);
  if (wanted.some((each) => there.includes(each))) return resolves(shown);
  const comparable = wanted.some((each) => there.some((its) => its.split('-')[0] === each.split('-')[0]));
  return comparable ? decayed(`${shown} has other bytes of it`) : unknown(`${shown} says another kind of digest`);
}

/** No answer is no decay. */
async function asking({ signal }: IndexOptions, ask: () => Promise<Place>): Promise<Place> {
  try {
    return await ask();
  } catch (error) {
    if (signal.aborted) return unknown('there was no time to ask');
    if (error instanceof WebError || error instanceof MlpipeError) return unknown(error.message.replace(/\.$/, ''));
    throw error;
  }
}

function ofStatus(index: string, status: number, file: string): Place {
  if (status === 404 || status === 410) return decayed(`${index} lists ${file} and does not have it`);
  return unknown(`${index} answers ${status} for ${file}`);
}

function webOptions({ signal, silence, environment }: IndexOptions): WebOptions {
  const { certificates } = indexConfiguration(environment);
  return { signal, silence, certificates };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

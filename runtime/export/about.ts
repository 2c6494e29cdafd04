/**
 * What only people know of a data set: what it is about, who made it, what may be done with it. It stands in a committed
 * file beside the data, `digits.csv.about.json`.
 */
import fs from 'node:fs';
import { relative } from 'node:path';
import { EXIT, MlpipeError } from '../errors.ts';

export interface About {
  description: string;
  /** An SPDX identifier, or an address. */
  license: string;
  /** Where the data set is told of. */
  url: string;
  creator: Creator[];
  /** `2026-11-23` */
  datePublished: string;
  name?: string;
  version?: string;
  citeAs?: string;
  keywords?: string[];
}

export interface Creator {
  name: string;
  kind: 'person' | 'organization';
  url?: string;
}

const REQUIRED = ['description', 'license', 'url', 'creator', 'datePublished'] as const;

/** `data/digits.csv` → `data/digits.csv.about.json`; of a glob it lies in the folder that the glob begins in. */
export function aboutPath(path: string): string {
  const plain = path.replace(/\/+$/, '');
  const glob = plain.search(/[*?[{]/);
  if (glob < 0) return `${plain}.about.json`;
  return `${plain.slice(0, plain.lastIndexOf('/', glob) + 1)}about.json`;
}

/**
 * Reads it.
 *
 * @param folder to which the path is told in messages
 * @throws MlpipeError `about-missing` naming what it must say, `about-wrong`
 */
export function readAbout(path: string, folder: string): About {
  const shown = relative(folder, path) || path;
  let text: string;
  try {
    text = fs.readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MlpipeError(`What people must say of the data is not written down: there is no ${shown}.`, {
      code: 'about-missing',
      todo: `Write it, as JSON with ${REQUIRED.join(', ')}, and commit it: mlpipe cannot know these.`,
      exit: EXIT.usage,
      cause,
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw wrong(shown, 'is not JSON', cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(shown, 'is no JSON object');
  const said = value as Record<string, unknown>;
  const missing = REQUIRED.filter((name) => said[name] === undefined || said[name] === '');
  if (missing.length > 0) throw wrong(shown, `does not say ${missing.join(', ')}`);
  return {
    description: textOf(shown, said, 'description'),
    license: textOf(shown, said, 'license'),
    url: textOf(shown, said, 'url'),
    creator: creatorsOf(shown, said.creator),
    datePublished: dateOf(shown, said),
    ...optional(shown, said, 'name'),
    ...optional(shown, said, 'version'),
    ...optional(shown, said, 'citeAs'),
    ...(Array.isArray(said.keywords) ? { keywords: said.keywords.map(String) } : {}),
  };
}

function creatorsOf(shown: string, value: unknown): Creator[] {
  const creators = (Array.isArray(value) ? value : [value]).map((each: unknown): Creator => {
    if (typeof each === 'string' && each !== '') return { name: each, kind: 'person' };
    if (typeof each !== 'object' || each === null || !('name' in each) || typeof each.name !== 'string')
      throw wrong(shown, 'has a creator without a name');
    const organization = 'kind' in each && each.kind === 'organization';
    const url = 'url' in each && typeof each.url === 'string' ? { url: each.url } : {};
    return { name: each.name, kind: organization ? 'organization' : 'person', ...url };
  });
  if (creators.length === 0) throw wrong(shown, 'has no creator');
  return creators;
}

function dateOf(shown: string, said: Record<string, unknown>): string {
  const date = textOf(shown, said, 'datePublished');
  if (/^\d{4}-\d{2}-\d{2}(?:T.+)?$/.test(date) && !Number.isNaN(Date.parse(date))) return date;
  throw wrong(shown, `has a datePublished that is no date: ${date}`);
}

function textOf(shown: string, said: Record<string, unknown>, name: string): string {
  const value = said[name];
  if (typeof value === 'string' && value.trim() !== '') return value;
  throw wrong(shown, `has a ${name} that is no text`);
}

function optional<Name extends string>(
  shown: string,
  said: Record<string, unknown>,
  name: Name,
): Partial<Record<Name, string>> {
  // The name is the one that was asked for.
  return said[name] === undefined ? {} : ({ [name]: textOf(shown, said, name) } as Record<Name, string>);
}

function wrong(shown: string, how: string, cause?: unknown): MlpipeError {
  return new MlpipeError(`${shown} ${how}.`, {
    code: 'about-wrong',
    todo: `It must be a JSON object with ${REQUIRED.join(', ')}; docs/exports.md has an example.`,
    exit: EXIT.usage,
    cause,
  });
}

/** The address of a licence: that of SPDX for its identifiers. */
export function licenseUrl(license: string): string {
  return /^[A-Za-z0-9.+-]+$/.test(license) ? `https://spdx.org/licenses/${license}.html` : license;
}

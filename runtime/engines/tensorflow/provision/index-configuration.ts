/** Which package index a user has configured, as pip and uv read it. Credentials stay in memory and are never told. */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Taken where nothing else is configured: the Python Package Index. */
const OFFICIAL_INDEX = 'https://pypi.org/simple';

export interface IndexConfiguration {
  /** In the order in which they are asked. They may hold credentials. */
  indexes: string[];
  /** Where the user has forbidden to ask any, and by what. */
  forbidden?: string;
  /** A file of certificates to trust besides the usual ones. */
  certificates?: string;
}

/** Reads variables and files; asks nobody. */
export function indexConfiguration(environment: NodeJS.ProcessEnv = process.env): IndexConfiguration {
  const file = pipSettings(environment);
  const first =
    environment.PIP_INDEX_URL ||
    environment.UV_DEFAULT_INDEX ||
    environment.UV_INDEX_URL ||
    file['index-url'] ||
    OFFICIAL_INDEX;
  const more = words(environment.PIP_EXTRA_INDEX_URL ?? environment.UV_EXTRA_INDEX_URL ?? file['extra-index-url']);
  // uv writes `name=URL` where it names an index.
  const indexes = [first, ...more].map((url) => url.replace(/^[\w-]+=(?=https?:)/, '').replace(/\/+$/, ''));
  const forbidden = (
    [
      ['MLPIPE_OFFLINE', environment.MLPIPE_OFFLINE],
      ['PIP_NO_INDEX', environment.PIP_NO_INDEX],
      ['UV_OFFLINE', environment.UV_OFFLINE],
      ['`no-index` of pip', file['no-index']],
    ] as const
  ).find(([, value]) => isOn(value))?.[0];
  const certificates = environment.PIP_CERT || environment.SSL_CERT_FILE || file.cert;
  return {
    indexes: [...new Set(indexes)],
    ...(forbidden === undefined ? {} : { forbidden }),
    ...(certificates ? { certificates } : {}),
  };
}

/** An address without the name and password in it, for messages and records. */
export function withoutCredentials(address: string): string {
  const url = new URL(address);
  url.username = '';
  url.password = '';
  url.search = '';
  url.hash = '';
  return url.href.replace(/\/$/, '');
}

/** The settings that pip would have: a later file overrides an earlier one. */
function pipSettings(environment: NodeJS.ProcessEnv): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const path of pipFiles(environment)) {
    if (existsSync(path)) Object.assign(settings, readSettings(readFileSync(path, 'utf8')));
  }
  return settings;
}

function pipFiles(environment: NodeJS.ProcessEnv): string[] {
  const chosen = environment.PIP_CONFIG_FILE;
  // pip's own word for "no file at all".
  if (chosen === '/dev/null' || chosen === 'nul') return [];
  const home = homedir();
  const files =
    process.platform === 'win32'
      ? [
          join(environment.PROGRAMDATA || 'C:\\ProgramData', 'pip', 'pip.ini'),
          join(home, 'pip', 'pip.ini'),
          join(environment.APPDATA || join(home, 'AppData', 'Roaming'), 'pip', 'pip.ini'),
        ]
      : [
          '/etc/xdg/pip/pip.conf',
          '/etc/pip.conf',
          join(home, '.pip', 'pip.conf'),
          ...(process.platform === 'darwin' ? [join(home, 'Library', 'Application Support', 'pip', 'pip.conf')] : []),
          join(environment.XDG_CONFIG_HOME || join(home, '.config'), 'pip', 'pip.conf'),
        ];
  return chosen ? [...files, chosen] : files;
}

/** The section `[global]` of an INI file, and `[install]`, which overrides it; a value may go on in indented lines. */
function readSettings(text: string): Record<string, string> {
  const sections: Record<string, Record<string, string>> = {};
  let section: Record<string, string> = {};
  let name = '';
  for (const line of text.split(/\r?\n/)) {
    if (/^\s*([#;].*)?$/.test(line)) continue;
    const head = /^\[(.+)\]\s*$/.exec(line)?.[1];
    if (head !== undefined) {
      section = {};
      sections[head] = section;
      name = '';
    } else if (/^\s/.test(line) && name !== '') {
      section[name] = `${section[name] ?? ''} ${line.trim()}`.trim();
    } else {
      const [, key, value] = /^([^=:]+?)\s*[=:]\s*(.*)$/.exec(line) ?? [];
      if (key === undefined) continue;
      name = key.trim().replaceAll('_', '-');
      section[name] = (value ?? '').trim();
    }
  }
  return { ...sections.global, ...sections.install };
}

function words(text: string | undefined): string[] {
  return (text ?? '').split(/\s+/).filter((word) => word !== '');
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && /^(1|true|yes|on)$/i.test(value);
}

/** Which registry npm is configured for, read as npm itself reads it. */
import fs from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** npm's own default, taken only where nothing is configured. */
const OFFICIAL_REGISTRY = 'https://registry.npmjs.org';

/** What npm would take for a package: `npm_config_registry`, else the user's `.npmrc`, else the official one. */
export function npmConfiguration(
  name: string,
  environment: NodeJS.ProcessEnv = process.env,
): { registry: string; token?: string; offline?: string } {
  const settings = new Map<string, string>();
  const path = environment.NPM_CONFIG_USERCONFIG ?? environment.npm_config_userconfig ?? join(homedir(), '.npmrc');
  for (const line of fs.existsSync(path) ? fs.readFileSync(path, 'utf8').split(/\r?\n/) : []) {
    const [, key, value] = /^\s*([^#;=\s][^=]*?)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined)
      settings.set(
        key,
        value.replaceAll(/\$\{(\w+)\}/g, (_, variable: string) => environment[variable] ?? ''),
      );
  }
  const scope = /^@[^/]+/.exec(name)?.[0];
  const registry = (
    (scope === undefined ? undefined : settings.get(`${scope}:registry`)) ||
    environment.npm_config_registry ||
    environment.NPM_CONFIG_REGISTRY ||
    settings.get('registry') ||
    OFFICIAL_REGISTRY
  ).replace(/\/+$/, '');
  const token = settings.get(`${registry.replace(/^https?:/, '')}/:_authToken`);
  const offline = (
    [
      ['MLPIPE_OFFLINE', environment.MLPIPE_OFFLINE],
      ['npm_config_offline', environment.npm_config_offline],
      ['`offline` of npm', settings.get('offline')],
    ] as const
  ).find(([, value]) => /^(1|true|yes|on)$/i.test(value ?? ''))?.[0];
  return { registry, ...(token ? { token } : {}), ...(offline === undefined ? {} : { offline }) };
}

/** The driver for an address. Each is loaded when it is needed: a project without a remote pays for none. */
import { isAbsolute, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EXIT, MlpipeError } from '../../errors.ts';
import type { RemoteDriver } from './driver.ts';
import { type NamedRemote, refuseCredentials } from './settings.ts';

export type RemoteKind = 'folder' | 's3' | 'ssh' | 'http';

/** @throws MlpipeError `remote-address`, `remote-credential` */
export function kindOf(url: string): RemoteKind {
  refuseCredentials(url);
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(url)?.[1]?.toLowerCase();
  switch (scheme) {
    case undefined:
    case 'file':
      return 'folder';
    case 's3':
      return 's3';
    case 'ssh':
    case 'sftp':
      return 'ssh';
    case 'http':
    case 'https':
    case 'dav':
    case 'davs':
    case 'webdav':
    case 'webdavs':
      return 'http';
    default:
      throw new MlpipeError(`mlpipe knows no remotes of the kind ${scheme}.`, {
        code: 'remote-address',
        todo: 'Write a folder, s3://BUCKET/PREFIX, ssh://USER@HOST/FOLDER, https://HOST/FOLDER or davs://HOST/FOLDER.',
        exit: EXIT.usage,
      });
  }
}

/**
 * @param root where a relative folder begins
 * @param store where what breaks off is remembered
 */
export async function openRemote(root: string, { name, settings }: NamedRemote, store?: string): Promise<RemoteDriver> {
  const { url } = settings;
  switch (kindOf(url)) {
    case 'folder': {
      const { openFolder } = await import('./drivers/folder.ts');
      return openFolder(url.startsWith('file:') ? fileURLToPath(url) : isAbsolute(url) ? url : resolve(root, url));
    }
    case 's3': {
      const { openS3 } = await import('./drivers/s3.ts');
      return openS3(settings, store);
    }
    case 'http': {
      const { openHttp } = await import('./drivers/http.ts');
      return openHttp({ name, settings });
    }
    case 'ssh': {
      const { openSsh } = await import('./drivers/ssh.ts');
      return openSsh(url);
    }
  }
}

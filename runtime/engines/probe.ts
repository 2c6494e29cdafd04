/**
 * Looks at what this machine can do, in a process of its own: a driver that crashes must not take the editor's runtime
 * along.
 */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

const PROBE_MILLISECONDS = 20_000;

export type AdapterProbe = { found: true; adapter: Adapter } | { found: false; reason: string };

/** As WebGPU describes it. */
export interface Adapter {
  vendor: string;
  architecture: string;
  device: string;
  description: string;
}

let adapter: Promise<AdapterProbe> | undefined;

/** Asks WebGPU for an adapter, once a process. */
export function probeAdapter(): Promise<AdapterProbe> {
  adapter ??= askForAdapter();
  return adapter;
}

function askForAdapter(): Promise<AdapterProbe> {
  let path: string;
  try {
    path = require.resolve('webgpu');
  } catch {
    return Promise.resolve({ found: false, reason: 'The package `webgpu` is not installed for this platform.' });
  }
  const script = `
    const { pathToFileURL } = require('node:url');
    import(pathToFileURL(process.argv[1]).href).then(async ({ create }) => {
      const adapter = await create([]).requestAdapter();
      const { vendor, architecture, device, description } = adapter?.info ?? {};
      console.log(JSON.stringify(adapter ? { vendor, architecture, device, description } : null));
      process.exit(0);
    });`;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['-e', script, path],
      // In an editor the executable is Electron, which is a plain Node with this variable alone.
      { timeout: PROBE_MILLISECONDS, env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' } },
      (error, stdout, stderr) => {
        if (error)
          return resolve({ found: false, reason: `WebGPU could not be started: ${lastLine(stderr) || error.message}` });
        const found = JSON.parse(lastLine(stdout) || 'null') as Adapter | null;
        if (found) return resolve({ found: true, adapter: found });
        resolve({
          found: false,
          reason: 'WebGPU finds no graphics adapter: there is no graphics processor, or no driver for it.',
        });
      },
    );
  });
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** Runs a command for the harness, showing what it prints. */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The project's folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** Answers the exit code; a process that a signal ended counts as 1. */
export function run(command: string, args: string[], environment: Record<string, string> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...environment } });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

/** Runs one of the project's own tools on the Node that runs this. */
export function runTool(name: string, args: string[], environment: Record<string, string> = {}): Promise<number> {
  return run(process.execPath, [tool(name), ...args], environment);
}

function tool(name: string): string {
  return fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url));
}

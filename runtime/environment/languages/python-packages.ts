/** What has to be kept beside the distributions of a Python lock file, so that they can be installed without an index. */
import fs from 'node:fs';
import { join } from 'node:path';
import { type CommandOptions, runCommand } from './command.ts';

/** Reads what a source distribution is built with (PEP 518); an older one is built by setuptools and wheel. */
const BUILD_REQUIRES = `
import sys, tarfile, zipfile
try:
    import tomllib
except ImportError:
    from pip._vendor import tomli as tomllib

def manifest(path):
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.count("/") == 1 and name.endswith("/pyproject.toml"):
                    return archive.read(name)
        return b""
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isfile() and member.name.count("/") == 1 and member.name.endswith("/pyproject.toml"):
                return archive.extractfile(member).read()
    return b""

for path in sys.argv[1:]:
    settings = tomllib.loads(manifest(path).decode("utf-8"))
    requires = settings.get("build-system", {}).get("requires", ["setuptools>=40.8.0"])
    # What setuptools asks for by itself before version 70.1.
    if any(each.lower().startswith("setuptools") for each in requires):
        requires = [*requires, "wheel"]
    print("\\n".join(requires))
`;

/**
 * Fetches the build tools of the source distributions in a folder into it. No lock file names them; what is kept is what
 * the index has now.
 *
 * @throws MlpipeError `retain-failed`, `cancelled`
 */
export async function keepDistributions(python: string, place: string, command: CommandOptions): Promise<void> {
  const sources = fs.readdirSync(place).filter((name) => /\.(?:tar\.\w+|tgz|zip)$/.test(name));
  if (sources.length === 0) return;
  const said = await runCommand(python, ['-c', BUILD_REQUIRES, ...sources.map((name) => join(place, name))], command);
  const tools = [...new Set(said.split('\n').filter((line) => line !== ''))];
  await runCommand(
    python,
    ['-m', 'pip', 'download', '--no-input', '--disable-pip-version-check', '-d', place, ...tools],
    command,
  );
}

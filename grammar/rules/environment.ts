/** Rules 3xxx: environments. */
import * as ast from '../generated/ast.ts';
import { digestOfPin, imageOf } from '../plan/lowering/blocks.ts';
import type { EngineName } from '../plan/plan.ts';
import { inBaseUnits, meaningOfUnit } from '../typing/units.ts';
import type { EngineFact } from './facts.ts';
import { addFact, appendTo, cstOf, remove, replace, replaceNode } from './fixes.ts';
import { listed, type Rule, type RuleContext, sourceFact } from './rule.ts';

const EXACT = /^v?\d+\.\d+\.\d+([-+.][0-9A-Za-z.-]+)?$/;

export const versionMustBeExact: Rule<ast.EngineFact | ast.InterpreterFact> = (fact, report, { facts }) => {
  const { version } = fact;
  if (version === undefined || EXACT.test(version)) return;
  const known = ast.isEngineFact(fact)
    ? (engineOf(fact, facts.engines)?.versions ?? [])
    : (facts.machine?.interpreters ?? [])
        .filter(({ language }) => language === fact.language)
        .map((each) => each.version);
  const what = ast.isEngineFact(fact) ? (fact.engine?.$refText ?? 'the engine') : fact.language;
  const example = known[0] ?? (what === 'python' ? '3.12.4' : what === 'node' ? '24.21.0' : '4.22.0');
  report({
    code: 'MLP3001',
    message: `\`${version}\` can be another version tomorrow. Write all of it, such as \`"${example}"\`.`,
    node: fact,
    property: 'version',
    fixes: known.flatMap((exact) => replaceNode(`Use ${what} ${exact}`, fact, `"${exact}"`, 'version')),
  });
};

function engineOf(fact: ast.EngineFact, engines: Partial<Record<EngineName, EngineFact>>): EngineFact | undefined {
  return Object.values(engines).find(({ name }) => name === fact.engine?.$refText);
}

const LOCK_FILES: Readonly<Record<'node' | 'python', string>> = {
  node: 'package-lock.json',
  python: 'requirements.txt',
};

export const interpreterShouldHaveLock: Rule<ast.InterpreterFact> = (fact, report) => {
  if (fact.lock !== undefined || fact.version === undefined || fact.digest !== undefined) return;
  const lock = LOCK_FILES[fact.language];
  report({
    code: 'MLP3002',
    message: `Nothing says which packages ${fact.language} has. Name the lock file: \`lock "${lock}"\`.`,
    node: fact,
    fixes: appendTo(`Add \`lock "${lock}"\``, fact, ` lock "${lock}"`, 'version'),
  });
};

export const lockShouldBePinned: Rule<ast.InterpreterFact> = (fact, report, context) => {
  if (fact.lock === undefined || fact.lock === '' || fact.digest !== undefined) return;
  const here = sourceFact(context, fact.lock);
  report({
    code: 'MLP3003',
    message: `\`${fact.lock}\` is not pinned, so that packages can change unseen. Pin it: \`mlpipe pin\`.`,
    node: fact,
    property: 'lock',
    fixes: here?.state === 'present' ? appendTo(`Pin ${fact.lock}`, fact, ` pin ${here.digest}`, 'lock') : [],
  });
};

export const lockMustMatchItsPin: Rule<ast.InterpreterFact> = (fact, report, context) => {
  const pin = digestOfPin(fact.digest);
  const here = fact.lock === undefined ? undefined : sourceFact(context, fact.lock);
  if (pin === undefined || here?.state !== 'present' || here.digest === pin) return;
  report({
    code: 'MLP3004',
    message: `\`${fact.lock}\` has changed since it was pinned. Restore it, or pin what is there now.`,
    node: fact,
    property: 'digest',
    fixes: replaceNode('Pin what is there now', fact, here.digest, 'digest'),
  });
};

export const lockMustBeThere: Rule<ast.InterpreterFact> = (fact, report, context) => {
  const here = fact.lock === undefined ? undefined : sourceFact(context, fact.lock);
  if (here === undefined || here.state === 'present') return;
  report({
    code: 'MLP3005',
    message:
      here.state === 'unreadable'
        ? `\`${fact.lock}\` cannot be read: ${here.reason}. Make it readable.`
        : `There is no \`${fact.lock}\`. Make one, or name the right file.`,
    node: fact,
    property: 'lock',
  });
};

export const pinMustHaveLock: Rule<ast.InterpreterFact> = (fact, report) => {
  if (fact.digest === undefined || fact.lock !== undefined) return;
  const version = cstOf(fact, 'version')?.range.end;
  const end = cstOf(fact, 'digest')?.range.end;
  report({
    code: 'MLP3012',
    message: 'This pin is of nothing: there is no lock file. Name it before the pin, or remove the pin.',
    node: fact,
    property: 'digest',
    fixes: version && end ? replace('Remove the pin', { start: version, end }, '') : [],
  });
};

export const engineMustBeProvisionable: Rule<ast.EngineFact> = (fact, report, { facts }) => {
  const engine = engineOf(fact, facts.engines);
  if (engine === undefined || fact.version === undefined || !EXACT.test(fact.version)) return;
  if (engine.state === 'impossible') {
    report({
      code: 'MLP3006',
      message: `\`${engine.name}\` cannot be had on this machine: ${engine.reason ?? 'nothing here can run it'}`,
      node: fact,
      property: 'engine',
    });
  } else if (engine.versions.includes(fact.version)) {
    return;
  } else if (engine.installableFrom !== undefined) {
    reportWhatCannotBeFetched(fact, fact.version, { ...engine, installableFrom: engine.installableFrom }, report);
  } else if (engine.versions.length > 0) {
    report({
      code: 'MLP3006',
      message: `\`${engine.name}\` ${fact.version} cannot be had here; ${listed(engine.versions)} can. Use one of these.`,
      node: fact,
      property: 'version',
      fixes: engine.versions.flatMap((version) => replaceNode(`Use ${version}`, fact, `"${version}"`, 'version')),
    });
  }
};

export const imageMustHaveDigest: Rule<ast.ImageFact> = (fact, report) => {
  const { reference } = fact;
  if (reference === undefined || imageOf(reference) !== undefined) return;
  const name = /^[^@]+/.exec(reference)?.[0]?.replace(/:[^/]*$/, '') ?? 'NAME';
  report({
    code: 'MLP3014',
    message: `\`${reference}\` can be another image tomorrow. Name it by its digest: \`"${name}@sha256:…"\`, all 64 digits of it.`,
    node: fact,
    property: 'reference',
  });
};

/** An image brings its own interpreters, nothing is trained in one, and none is kept. */
export const imageMustStandAlone: Rule<ast.ImageFact> = (image, report) => {
  for (const fact of image.$container.facts) {
    const word = ast.isEngineFact(fact) ? 'engine' : ast.isInterpreterFact(fact) ? fact.language : undefined;
    if (word === undefined && !ast.isRetainFact(fact)) continue;
    report({
      code: 'MLP3015',
      message:
        word === undefined
          ? '`retain` keeps what is provisioned, and no image. Keep it in a registry of your own, and remove `retain`.'
          : word === 'engine'
            ? 'Nothing trains in an image, so `engine` would say nothing of it. Give the engine an environment of its own.'
            : `An image brings its own programs, so \`${word}\` would change nothing. Remove one of the two.`,
      node: fact,
      fixes: word === 'engine' ? [] : remove(`Remove \`${word ?? 'retain'}\``, fact),
    });
  }
};

/** What is newer than all that is known may be there by now: that is found out by whoever installs it. */
function reportWhatCannotBeFetched(
  fact: ast.EngineFact,
  version: string,
  { name, versions, installableFrom, known = [] }: EngineFact & { installableFrom: string },
  report: Parameters<Rule<ast.EngineFact>>[1],
): void {
  const newest = known.at(-1);
  const isOld = isOlder(version, installableFrom);
  // Previews are spelled in more than one way, and nobody takes one by mistake.
  const isNone = newest !== undefined && isOlder(version, newest) && !known.includes(version) && !/[-+]/.test(version);
  if (!isOld && !isNone) return;
  const released = known.filter((each) => /^\d+\.\d+\.\d+$/.test(each));
  const near = released.filter((each) => each.split('.', 2).join('.') === version.split('.', 2).join('.'));
  const usable = isOld
    ? [...versions, installableFrom]
    : near.length > 0
      ? near
      : [...versions, newest ?? installableFrom];
  const can = isOld ? `\`${installableFrom}\` and newer can` : `${listed([...new Set(usable)])} can`;
  report({
    code: 'MLP3006',
    message: `\`${name}\` ${version} cannot be had here; ${can}. Use one of these.`,
    node: fact,
    property: 'version',
    fixes: [...new Set(usable)].flatMap((each) => replaceNode(`Use ${each}`, fact, `"${each}"`, 'version')),
  });
}

/** By the three numbers of an exact version. */
function isOlder(version: string, than: string): boolean {
  const numbers = (text: string): number[] => text.replace(/^v/, '').split(/[-+.]/, 3).map(Number);
  const other = numbers(than);
  const at = numbers(version).findIndex((number, index) => number !== other[index]);
  return at >= 0 && (numbers(version)[at] ?? 0) < (other[at] ?? 0);
}

export const trainingShouldBeSeeded: Rule<ast.Train> = (train, report) => {
  if (train.facts.some(ast.isSeedFact) || train.facts.length === 0) return;
  report({
    code: 'MLP3007',
    message: 'Without a seed every run gives another model. Add one: `seed 1`.',
    node: train,
    property: 'name',
    fixes: addFact('Add `seed 1`', train, 'seed', '1'),
  });
};

export const repeatableEngineMustBeDeterministic: Rule<ast.ResultsFact> = (fact, report, { facts }) => {
  const engineFact = fact.$container.facts.find(ast.isEngineFact);
  const engine = engineFact && engineOf(engineFact, facts.engines);
  if (fact.level?.$refText !== 'repeatable' || engine === undefined || engine.deterministic) return;
  report({
    code: 'MLP3008',
    message: `\`${engine.name}\` does not give the same bits twice. Ask for \`close\` results, or use another engine.`,
    node: fact,
    property: 'level',
    fixes: replaceNode('Ask for `close` results', fact, 'close', 'level'),
  });
};

export const hardwareShouldBePresent: Rule<ast.HardwareFact> = (fact, report, { facts }) => {
  const { machine } = facts;
  if (machine === undefined) return;
  for (const item of fact.items) {
    const lacking = ast.isQuantity(item) ? lackOf(item, machine) : lackOfClass(item.choice?.$refText, machine);
    if (lacking !== undefined) {
      report({ code: 'MLP3009', message: `${lacking}. Run it elsewhere, or ask for less.`, node: item });
    }
  }
};

type Machine = NonNullable<RuleContext['facts']['machine']>;

function lackOfClass(name: string | undefined, machine: Machine): string | undefined {
  if ((name === 'x64' || name === 'arm64') && machine.architecture !== name)
    return `This machine is ${machine.architecture}, not ${name}`;
  return name === 'gpu' && machine.gpus.length === 0
    ? 'This machine has no graphics processor that can be used'
    : undefined;
}

function lackOf(item: ast.Quantity, machine: Machine): string | undefined {
  const meaning = meaningOfUnit(item.unit?.ref);
  if (meaning === undefined) return undefined;
  const asked = inBaseUnits(item.value, meaning);
  const written = item.$cstNode?.text ?? '';
  switch (meaning.dimension) {
    case 'B':
      return asked > machine.memory
        ? `It asks for ${written}; this machine has ${(machine.memory / 2 ** 30).toFixed(1)} GiB`
        : undefined;
    case 'cpus':
      return asked > machine.cpus ? `It asks for ${written}; this machine has ${machine.cpus}` : undefined;
    case 'gpus':
      return asked > machine.gpus.length
        ? `It asks for ${written}; this machine has ${machine.gpus.length}`
        : undefined;
    default:
      return undefined;
  }
}

export const interpreterMayDiffer: Rule<ast.InterpreterFact> = (fact, report, { facts }) => {
  const here = facts.machine?.interpreters.filter(({ language }) => language === fact.language);
  if (here === undefined || fact.version === undefined || !EXACT.test(fact.version)) return;
  if (here.some(({ version }) => version === fact.version)) return;
  const found = here[0]?.version;
  report({
    code: 'MLP3010',
    message: `This machine has ${found === undefined ? `no ${fact.language}` : `${fact.language} ${found}`}. ${fact.version} is provided beside it when a step needs it.`,
    node: fact,
    property: 'version',
  });
};

export const trainingMustHaveEngine: Rule<ast.Train> = (train, report, { facts }) => {
  const environment = train.facts.find(ast.isInFact);
  const block = environment?.environment?.ref;
  if (environment === undefined) {
    if (train.facts.length === 0) return;
    const known = train.$container;
    const usual = ast.isFile(known)
      ? known.elements.filter(ast.isEnvironment).find((each) => each.facts.some(ast.isEngineFact))
      : undefined;
    report({
      code: 'MLP3011',
      message: 'Nothing says what trains this. Name an environment with an engine: `in cpu`.',
      node: train,
      property: 'name',
      fixes: usual === undefined ? [] : addFact(`Add \`in ${usual.name}\``, train, 'in', usual.name),
    });
  } else if (block !== undefined && !block.facts.some(ast.isEngineFact)) {
    const version = facts.engines.wasm?.versions[0] ?? '4.22.0';
    report({
      code: 'MLP3011',
      message: `\`${block.name}\` has no engine, so nothing in it can train. Add one: \`engine wasm "${version}"\`.`,
      node: environment,
      property: 'environment',
      fixes:
        ast.isFile(block.$container) && block.$container === train.$container
          ? addFact(`Add \`engine wasm "${version}"\``, block, 'engine', `wasm "${version}"`)
          : [],
    });
  }
};

/** From a linked file to its plan. Pure and deterministic: the order of facts and blocks, comments and layout mean nothing. */

import { posix } from 'node:path';
import type { AstNode } from 'langium';
import { AstUtils, type LangiumDocument } from 'langium';
import * as ast from '../generated/ast.ts';
import { NO_FACTS } from '../rules/facts.ts';
import { diagnosticsOf } from '../rules/validator.ts';
import { isDeclaration } from '../scoping/declarations.ts';
import { dataOf, targetOf } from '../scoping/targets.ts';
import { argumentValues } from '../typing/arguments.ts';
import { type Bindings, evaluate, valueOfParam } from '../typing/evaluate.ts';
import { chosenSuffix, expansionsOf } from '../typing/sweep.ts';
import { inBaseUnits, meaningOfUnit } from '../typing/units.ts';
import { planValueOf } from '../typing/values.ts';
import { canonicalJson } from './canonical.ts';
import { dataPlan, environmentPlan, modelPlan, producersOf } from './lowering/blocks.ts';
import { Names } from './lowering/names.ts';
import { bindParameters, visibleParams } from './lowering/parameters.ts';
import { evaluationOfReplicate, replicate, replicatesOf } from './lowering/replicates.ts';
import {
  dataNamedIn,
  evaluateStep,
  expressionsOfProgram,
  programStep,
  type Surroundings,
  trainStep,
} from './lowering/steps.ts';
import { type DeploymentPlan, type Location, type MonitorPlan, PLAN_FORMAT, type Plan, type StepPlan } from './plan.ts';

export interface LowerOptions {
  /** Parameters in the place of their defaults, as they are written on a command line. */
  parameters?: Readonly<Record<string, string>>;
}

/** Why there is no plan. */
export interface LowerProblem {
  message: string;
  /** `MLP2001`; none for a parameter given from outside. */
  code?: string;
  /** File relative to the pipeline's folder. */
  where?: Location;
}

/** A file that has no plan. */
export class LowerError extends Error {
  readonly reason: 'errors' | 'parameters' | 'incomplete';
  readonly problems: readonly LowerProblem[];

  constructor(reason: LowerError['reason'], problems: readonly LowerProblem[]) {
    super(problems[0]?.message ?? 'This file has no plan.');
    this.name = 'LowerError';
    this.reason = reason;
    this.problems = problems;
  }
}

/**
 * The plan of a file that has no errors. Defined for each such file.
 *
 * @throws LowerError `errors` where this file or one that it imports has errors, `parameters` where a given parameter is
 * unknown or not allowed, `incomplete` where the given parameters make a model or a step impossible
 */
export function lower(document: LangiumDocument<ast.File>, options: LowerOptions = {}): Plan {
  const errors = filesOf(document).flatMap((file) => errorsOf(file, document));
  if (errors.length > 0) throw new LowerError('errors', errors);
  const { plan, problems, wrongParameters } = lowerWhatIsWhole(document, options);
  if (wrongParameters.length > 0) throw new LowerError('parameters', wrongParameters);
  if (problems.length > 0) throw new LowerError('incomplete', problems);
  return plan;
}

function errorsOf(file: LangiumDocument<ast.File>, entry: LangiumDocument<ast.File>): LowerProblem[] {
  const name = posix.relative(posix.dirname(entry.uri.path), file.uri.path);
  return diagnosticsOf(file, NO_FACTS)
    .filter(({ severity }) => severity === 1)
    .map(({ range, code, message }) => ({
      message: typeof message === 'string' ? message : message.value,
      code: String(code),
      where: { file: name, line: range.start.line + 1, column: range.start.character + 1 },
    }));
}

/**
 * As much of the plan as the file allows, errors or not: for the graph of a file that is being written, and for what must
 * know the data before it is pinned. `problems` names every block that is missing from it.
 */
export function lowerWhatIsWhole(
  document: LangiumDocument<ast.File>,
  options: LowerOptions = {},
): { plan: Plan; problems: LowerProblem[]; wrongParameters: LowerProblem[] } {
  const { bindings, problems } = bindParameters(document, options.parameters ?? {});
  const lowering = new Lowering(document, bindings);
  lowering.all();
  return {
    plan: lowering.plan,
    problems: lowering.problems,
    wrongParameters: problems.map(({ message }) => ({ message })),
  };
}

class Lowering implements Surroundings {
  readonly names: Names;
  readonly plan: Plan;
  readonly problems: LowerProblem[] = [];
  private readonly document: LangiumDocument<ast.File>;
  private readonly bindings: Bindings;
  private readonly done = new Set<AstNode>();

  constructor(document: LangiumDocument<ast.File>, bindings: Bindings) {
    this.document = document;
    this.bindings = bindings;
    this.names = new Names(document);
    const header = document.parseResult.value.elements.find(ast.isPipelineHeader);
    const file =
      document.uri.path
        .split('/')
        .at(-1)
        ?.replace(/\.mlpipe$/, '') ?? '';
    this.plan = {
      format: PLAN_FORMAT,
      pipeline: header?.name ?? file,
      parameters: {},
      environments: {},
      data: {},
      models: {},
      steps: {},
      deployments: {},
      monitors: {},
      locations: {},
    };
  }

  all(): void {
    for (const [name, param] of visibleParams(this.document)) {
      const value = valueOfParam(param, this.bindings);
      const plan = value && planValueOf(value);
      if (plan !== undefined) this.plan.parameters[name] = plan;
    }
    const { elements } = this.document.parseResult.value;
    for (const element of elements) {
      this.block(element);
      if (!ast.isImport(element)) continue;
      // An imported step or training is part of the pipeline; data, models and environments where something uses them.
      for (const item of element.items) {
        const target = item.target?.ref;
        if (ast.isStep(target) || ast.isTrain(target) || ast.isEvaluate(target)) this.block(target);
      }
    }
  }

  /** A block and everything that it stands on, once. */
  private block(node: AstNode | undefined): void {
    if (node === undefined || this.done.has(node)) return;
    this.done.add(node);
    if (ast.isEnvironment(node)) this.environment(node);
    else if (ast.isData(node)) this.data(node);
    else if (ast.isModel(node)) this.modelName(node, this.bindings);
    else if (ast.isTrain(node)) this.train(node);
    else if (ast.isEvaluate(node)) this.evaluate(node);
    else if (ast.isStep(node)) this.program(node);
    else if (ast.isDeploy(node)) this.deploy(node);
    else if (ast.isMonitor(node)) this.monitor(node);
  }

  private environment(node: ast.Environment): void {
    const plan = environmentPlan(node, this.names);
    this.plan.environments[plan.name] = plan;
    this.plan.locations[plan.name] = this.names.location(node);
  }

  private data(node: ast.Data): void {
    this.dataName(node, this.bindings);
    for (const producer of producersOf(node)) this.block(producer);
  }

  /** A data set that an expansion's values change is a data set of its own: `digits@seed=8`. */
  dataName(data: ast.Data, bindings: Bindings): string {
    this.block(data);
    return this.variant(data, bindings, this.plan.data, (values) => dataPlan(data, this.names, values));
  }

  modelName(model: ast.Model, bindings: Bindings): string {
    this.done.add(model);
    return this.variant(model, bindings, this.plan.models, (values) =>
      modelPlan(model, this.names, (data) => this.dataName(data, values), values),
    );
  }

  private variant<T extends { name: string }>(
    node: AstNode & { name: string },
    bindings: Bindings,
    into: Record<string, T>,
    build: (bindings: Bindings) => T | undefined,
  ): string {
    const name = this.names.of(node);
    const usual = build(this.bindings);
    if (usual === undefined) return this.incomplete(node, name);
    const here = bindings === this.bindings ? usual : build(bindings);
    if (here === undefined) return this.incomplete(node, name);
    const isUsual = canonicalJson(here) === canonicalJson(usual);
    const full = isUsual ? name : name + suffixOfDifference(this.bindings, bindings);
    into[full] = { ...here, name: full };
    this.plan.locations[full] = this.names.location(node);
    return full;
  }

  private incomplete(node: AstNode, name: string): string {
    const where = this.names.location(node);
    if (!this.problems.some((problem) => problem.where?.line === where.line && problem.where.file === where.file)) {
      this.problems.push({ message: `\`${name}\` is not whole. Mend what is said about it first.`, where });
    }
    return name;
  }

  private step(node: AstNode, name: string, step: StepPlan | undefined): void {
    if (step === undefined) {
      this.incomplete(node, name);
      return;
    }
    this.plan.steps[step.name] = step;
    this.plan.locations[step.name] = this.names.location(node);
    this.plan.locations[step.block] = this.names.location(node);
  }

  private train(train: ast.Train): void {
    this.block(train.facts.find(ast.isInFact)?.environment?.ref);
    for (const expansion of this.expansions(train)) {
      const step = trainStep(train, expansion, this);
      this.step(train, train.name, step);
      const count = replicatesOf(train, expansion.bindings);
      for (let number = 1; step && number <= count; number++) this.step(train, train.name, replicate(step, number));
    }
  }

  private expansions(train: ast.Train): ReturnType<typeof expansionsOf> {
    const expansions = expansionsOf(train, this.bindings);
    if (expansions.length === 0) this.incomplete(train, train.name);
    return expansions;
  }

  private evaluate(block: ast.Evaluate): void {
    const train = block.training?.ref;
    if (train === undefined) {
      this.incomplete(block, block.training?.$refText ?? 'evaluate');
      return;
    }
    this.block(train);
    for (const expansion of this.expansions(train)) {
      const step = evaluateStep(block, expansion, this);
      this.step(block, `evaluate ${train.name}`, step);
      const count = replicatesOf(train, expansion.bindings);
      for (let number = 1; step && number <= count; number++) {
        this.step(block, `evaluate ${train.name}`, evaluationOfReplicate(step, number));
      }
    }
  }

  private program(step: ast.Step): void {
    this.block(step.facts.find(ast.isInFact)?.environment?.ref);
    for (const data of dataNamedIn(step)) this.block(data);
    for (const expression of expressionsOfProgram(step)) {
      const owner = ast.isMemberExpression(expression) ? targetOf(expression.receiver) : undefined;
      if (owner !== undefined && owner !== step) this.block(owner);
    }
    this.step(step, step.name, programStep(step, this, this.bindings));
  }

  private deploy(deploy: ast.Deploy): void {
    const train = deploy.training?.ref;
    const suffix = train && chosenSuffix(train, deploy.arguments, this.bindings);
    if (train === undefined || suffix === undefined) {
      this.incomplete(deploy, deploy.name);
      return;
    }
    this.block(train);
    const name = this.names.of(deploy);
    const plan: DeploymentPlan = { name, train: this.names.of(train) + suffix };
    const when = deploy.facts.find(ast.isWhenFact)?.condition?.$refText;
    if (when !== undefined) plan.when = when;
    const canary = evaluate(deploy.facts.find(ast.isCanaryFact)?.share, this.bindings);
    if (canary?.kind === 'number') plan.canary = canary.value;
    const rollback = deploy.facts.find(ast.isRollbackFact)?.baseline?.$refText;
    if (rollback !== undefined) plan.rollback = rollback;
    this.plan.deployments[name] = plan;
    this.plan.locations[name] = this.names.location(deploy);
  }

  private monitor(monitor: ast.Monitor): void {
    const deploy = monitor.deployment?.ref;
    if (deploy === undefined) {
      this.incomplete(monitor, 'monitor');
      return;
    }
    this.block(deploy);
    const name = this.names.of(deploy);
    const plan: MonitorPlan = { deployment: name };
    const expectation = monitor.facts.find(ast.isExpectFact);
    const data = dataOf(expectation?.reference);
    const part = targetOf(expectation?.reference);
    if (expectation?.subject !== undefined && data !== undefined) {
      const reference = { data: this.dataName(data, this.bindings), ...(ast.isPart(part) ? { part: part.name } : {}) };
      plan.expect = { subject: expectation.subject.$refText, reference };
    }
    const tolerance = monitor.facts.find(ast.isTolerateFact);
    const absolute = evaluate(tolerance?.absolute, this.bindings);
    const relative = evaluate(tolerance?.relative, this.bindings);
    if (absolute?.kind === 'number') {
      plan.tolerate = {
        absolute: absolute.value,
        ...(relative?.kind === 'number' ? { relative: relative.value } : {}),
      };
    }
    const page = monitor.facts.find(ast.isPageFact)?.target;
    const pager = page?.callee?.ref;
    const values = page && pager && argumentValues(page.arguments, pager, this.bindings);
    if (pager !== undefined && values !== undefined) plan.page = { name: pager.name, arguments: values };
    const budget = monitor.facts.find(ast.isBudgetFact);
    const unit = meaningOfUnit(budget?.window?.unit?.ref);
    if (budget?.count !== undefined && budget.window !== undefined && unit !== undefined) {
      plan.budget = { count: budget.count, window: inBaseUnits(budget.window.value, unit) };
    }
    this.plan.monitors[name] = plan;
  }
}

/** `@rate=0.01` for the parameters that one set of values has and the other has not. */
function suffixOfDifference(usual: Bindings, here: Bindings): string {
  return [...here]
    .filter(([param, value]) => usual.get(param) !== value)
    .map(([param, value]) => `@${param.name}=${String(planValueOf(value))}`)
    .join('');
}

/** Every file that a pipeline stands on: itself, and what it imports, transitively. */
export function filesOf(document: LangiumDocument<ast.File>): LangiumDocument<ast.File>[] {
  const files = new Map<string, LangiumDocument<ast.File>>([[document.uri.toString(), document]]);
  for (const file of files.values()) {
    for (const element of file.parseResult.value.elements.filter(ast.isImport)) {
      for (const target of element.items.map((item) => item.target?.ref)) {
        if (target === undefined || !isDeclaration(target)) continue;
        const other = AstUtils.getDocument<ast.File>(target);
        files.set(other.uri.toString(), other);
      }
    }
  }
  return [...files.values()];
}

/** The rule book: which rules speak of which kind of node. */
import type { AstNode } from 'langium';
import type * as ast from '../generated/ast.ts';
import * as circles from './circles.ts';
import * as data from './data.ts';
import * as decay from './decay.ts';
import * as delivery from './delivery.ts';
import * as environment from './environment.ts';
import * as losses from './losses.ts';
import * as metrics from './metrics.ts';
import * as models from './models.ts';
import * as names from './names.ts';
import type { Rule } from './rule.ts';
import * as steps from './steps.ts';
import * as targets from './targets.ts';
import * as training from './training.ts';
import * as values from './values.ts';

type Book = { [Type in keyof ast.MlpipeAstType]?: readonly Rule<ast.MlpipeAstType[Type]>[] };

const whole = [names.factMustStandOnce, names.blockMustBeWhole] as const;
const call = [values.argumentMustBeNamed, values.argumentMustBeGivenOnce, values.argumentMustBeGiven] as const;
const library = [names.libraryMustNotBeExtended] as const;

const BOOK: Book = {
  File: [
    names.wordMustBeSpelt,
    names.nameMustBeGivenOnce,
    circles.referencesMustNotGoInCircles,
    names.declarationShouldBeUsed,
    values.valueMustBeComputable,
    values.valueMustHaveItsType,
    values.numberMustHaveItsUnit,
    values.unitMustFit,
    values.valueMustBeInRange,
    steps.outputMustHaveOneStep,
    steps.outputShouldBeUsed,
  ],
  Unknown: [names.wordMustBeKnown],
  PipelineHeader: [names.pipelineMustStandFirst],
  Import: [names.importedFileMustBeThere],

  Environment: [...whole],
  EngineFact: [
    environment.versionMustBeExact,
    environment.engineMustBeProvisionable,
    decay.environmentShouldStillResolve,
    decay.packagesShouldStillResolve,
  ],
  InterpreterFact: [
    environment.versionMustBeExact,
    environment.interpreterShouldHaveLock,
    environment.lockShouldBePinned,
    environment.lockMustMatchItsPin,
    environment.lockMustBeThere,
    environment.pinMustHaveLock,
    environment.interpreterMayDiffer,
    decay.environmentShouldStillResolve,
    decay.packagesShouldStillResolve,
    decay.pinnedShouldStillResolve,
    data.pinMustBeWhole,
  ],
  ImageFact: [environment.imageMustHaveDigest, environment.imageMustStandAlone],
  HardwareFact: [environment.hardwareShouldBePresent],
  ResultsFact: [environment.repeatableEngineMustBeDeterministic],

  Data: [
    ...whole,
    names.innerNameMustBeGivenOnce,
    data.dataMustBePinned,
    data.mutableSourceMustBeSnapshot,
    data.dataMustBeThere,
    data.dataShouldLieWhereItIsNamed,
    data.columnMustBeInData,
    data.valuesMustFitSchema,
    data.dataShouldBeKept,
    data.sourceShouldLieInProject,
    decay.pinnedShouldStillResolve,
  ],
  PinFact: [data.pinMustBeWhole, data.outputShouldNotBePinned, data.dataMustMatchItsPin],
  Column: [values.columnMustHaveColumnType],
  ClassType: [data.classesMustDiffer],
  SplitFact: [...whole, data.splitMustAddUp],
  StratifyFact: [data.stratifiedColumnMustHaveClasses],

  Model: [
    ...whole,
    models.modelMustHaveLayers,
    models.modelMustHaveKnownLayers,
    models.shapesMustFit,
    models.normalizationMustStandFirst,
    models.embeddingMustKnowItsNumbers,
  ],
  InputFact: [models.inputMustBeNumbers],
  LayerCall: [...call],
  Call: [...call],

  Train: [
    ...whole,
    data.testDataMustNotBeTrainedOn,
    environment.trainingShouldBeSeeded,
    environment.trainingMustHaveEngine,
    targets.targetMustBeClear,
    targets.targetMustNotBeInput,
    losses.outputMustFitTarget,
    losses.lossMustFitTarget,
    losses.lossShouldFitActivation,
    training.engineMustTrainEverything,
    decay.resultShouldStillResolve,
  ],
  Sweep: [names.sweepMustBeList],
  OnFact: [training.dataMustHaveColumnsOfModel],
  ValidateFact: [training.dataMustHaveColumnsOfModel],
  BatchFact: [training.batchShouldFitData],
  StopFact: [metrics.metricMustApply, training.stopShouldHaveValidation],
  WeightsFact: [losses.weightsMustFitClasses],

  Evaluate: [data.testDataMustNotBeTrainedOn, data.testDataShouldNotBeValidatedOn, training.dataMustHaveColumnsOfModel],
  Gate: [
    ...call,
    metrics.metricMustApply,
    metrics.classMustBeKnown,
    metrics.gateShouldPointTheRightWay,
    delivery.gateShouldHaveTolerance,
  ],

  Step: [
    ...whole,
    names.innerNameMustBeGivenOnce,
    steps.readShouldBeDeclared,
    steps.commandMustNameWhatHasContent,
    decay.resultShouldStillResolve,
  ],
  RunFact: [steps.programMustBeFound],
  ReadFact: [
    steps.readMustBeThere,
    steps.outputShouldBeReadByName,
    steps.pathMustLieInProject,
    decay.readShouldStillResolve,
  ],
  OutFact: [steps.pathMustLieInProject],

  Deploy: [...whole, delivery.deploymentMustHaveGate, delivery.expansionMustBeChosen],
  Monitor: [...whole, delivery.monitorMustHaveBaseline],
  ExpectFact: [delivery.subjectMustApply],
  TolerateFact: [delivery.toleranceShouldNotHideClass],

  Secret: [values.secretMustNotBeKept, delivery.secretShouldBeSet],
  NameExpression: [delivery.expansionMustBeChosen],

  Callable: [...library],
  TypeDeclaration: [...library],
  ChoiceDeclaration: [...library],
  Metric: [...library],
  Unit: [...library],
  MemberDeclaration: [...library],
};

/** By the type of a node. */
export const RULES: ReadonlyMap<string, readonly Rule<AstNode>[]> = new Map(
  // The book binds each rule to the type that its key names, and `run.ts` looks it up by a node's own type.
  Object.entries(BOOK) as [string, readonly Rule<AstNode>[]][],
);

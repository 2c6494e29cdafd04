/**
 * Every code, once. A code never changes its meaning and is never given again. A test proves that each has its rule, its
 * page in `docs/diagnostics`, its fixtures, and a fix or the reason why there is none.
 */
export type Severity = 'error' | 'warning' | 'information' | 'hint';

export interface CatalogueEntry {
  /** For people who search: what is wrong, in a few words. */
  slug: string;
  severity: Severity;
  /** `language`: the text alone decides. `world`: facts decide, and without them no one speaks. */
  category: 'language' | 'world';
  /** The function in this room that speaks. */
  rule: string;
  /** What the fix does, or why there is none. */
  fix: { title: string } | { none: string };
}

const AUTHOR = 'which of the two is meant, only the author knows';
const VALUE = 'which value is meant, only the author knows';
const WORLD = 'the text is right; what it speaks of must be mended';
const DESIGN = 'there are several ways to mend it, and they make different pipelines';

function entry(
  slug: string,
  severity: Severity,
  category: CatalogueEntry['category'],
  rule: string,
  fix: CatalogueEntry['fix'],
): CatalogueEntry {
  return { slug, severity, category, rule, fix };
}

const none = (reason: string): CatalogueEntry['fix'] => ({ none: reason });
const title = (text: string): CatalogueEntry['fix'] => ({ title: text });

export const CATALOGUE = {
  // 1xxx: names and types
  MLP1000: entry('syntax-error', 'error', 'language', 'textMustBeRead', none('what is missing cannot be guessed')),
  MLP1001: entry('unknown-name', 'error', 'language', 'nameMustBeKnown', title('Change to the name that was meant')),
  MLP1002: entry('unknown-word', 'error', 'language', 'wordMustBeKnown', title('Change to the word that was meant')),
  MLP1003: entry('duplicate-name', 'error', 'language', 'nameMustBeGivenOnce', none(AUTHOR)),
  MLP1004: entry('duplicate-fact', 'error', 'language', 'factMustStandOnce', title('Remove the second')),
  MLP1005: entry('missing-fact', 'error', 'language', 'blockMustBeWhole', title('Add the fact')),
  MLP1006: entry('cycle', 'error', 'language', 'referencesMustNotGoInCircles', none(DESIGN)),
  MLP1007: entry('wrong-type', 'error', 'language', 'valueMustHaveItsType', none(VALUE)),
  MLP1008: entry('missing-unit', 'error', 'language', 'numberMustHaveItsUnit', title('Add the unit')),
  MLP1009: entry('wrong-unit', 'error', 'language', 'unitMustFit', title('Change the unit')),
  MLP1010: entry('out-of-range', 'error', 'language', 'valueMustBeInRange', none(VALUE)),
  MLP1011: entry('unused-declaration', 'warning', 'language', 'declarationShouldBeUsed', title('Remove it')),
  MLP1012: entry('unnamed-argument', 'error', 'language', 'argumentMustBeNamed', title('Name the argument')),
  MLP1013: entry('duplicate-argument', 'error', 'language', 'argumentMustBeGivenOnce', title('Remove the second')),
  MLP1014: entry('missing-argument', 'error', 'language', 'argumentMustBeGiven', title('Add the argument')),
  MLP1015: entry('import-not-found', 'error', 'language', 'importedFileMustBeThere', none(WORLD)),
  MLP1016: entry(
    'ignore-without-reason',
    'warning',
    'language',
    'ignoreShouldGiveItsReason',
    none('the reason is the author’s'),
  ),
  MLP1017: entry('ignore-unused', 'warning', 'language', 'ignoreShouldBeNeeded', title('Remove the comment')),
  MLP1018: entry(
    'header-not-first',
    'error',
    'language',
    'pipelineMustStandFirst',
    none('moving text is the author’s'),
  ),
  MLP1019: entry('declaration-of-library', 'error', 'language', 'libraryMustNotBeExtended', title('Remove it')),
  MLP1020: entry('not-computable', 'error', 'language', 'valueMustBeComputable', none(VALUE)),
  MLP1021: entry('sweep-not-list', 'error', 'language', 'sweepMustBeList', none(VALUE)),
  MLP1022: entry('which-expansion', 'error', 'language', 'expansionMustBeChosen', title('Choose the first')),

  // 2xxx: data
  MLP2001: entry('data-not-pinned', 'error', 'language', 'dataMustBePinned', title('Pin the data')),
  MLP2002: entry('data-changed', 'error', 'world', 'dataMustMatchItsPin', title('Pin what is there now')),
  MLP2003: entry('data-missing', 'error', 'world', 'dataMustBeThere', none(WORLD)),
  MLP2004: entry(
    'mutable-source',
    'error',
    'language',
    'mutableSourceMustBeSnapshot',
    none('a snapshot must be fetched: `mlpipe pin`'),
  ),
  MLP2005: entry('pin-malformed', 'error', 'language', 'pinMustBeWhole', title('Pin what is there now')),
  MLP2006: entry('pin-of-output', 'warning', 'language', 'outputShouldNotBePinned', title('Remove the pin')),
  MLP2007: entry(
    'column-missing',
    'error',
    'world',
    'columnMustBeInData',
    title('Change to the column that was meant'),
  ),
  MLP2008: entry('value-does-not-fit', 'error', 'world', 'valuesMustFitSchema', none(DESIGN)),
  MLP2009: entry('split-not-whole', 'error', 'language', 'splitMustAddUp', title('Give the rest to the last part')),
  MLP2010: entry('test-data-in-training', 'error', 'language', 'testDataMustNotBeTrainedOn', none(DESIGN)),
  MLP2011: entry('test-data-in-validation', 'warning', 'language', 'testDataShouldNotBeValidatedOn', none(DESIGN)),
  MLP2012: entry(
    'stratify-needs-classes',
    'error',
    'language',
    'stratifiedColumnMustHaveClasses',
    title('Remove `stratify`'),
  ),
  MLP2013: entry('class-malformed', 'error', 'language', 'classesMustDiffer', none(AUTHOR)),
  MLP2014: entry('data-not-kept', 'warning', 'world', 'dataShouldBeKept', none(WORLD)),
  MLP2015: entry('source-outside', 'warning', 'language', 'sourceShouldLieInProject', none('the file must be moved')),
  MLP2016: entry('data-in-store-only', 'warning', 'world', 'dataShouldLieWhereItIsNamed', none(WORLD)),
  MLP2017: entry('decayed-content', 'warning', 'world', 'pinnedShouldStillResolve', none(WORLD)),

  // 3xxx: environment
  MLP3001: entry('floating-version', 'error', 'language', 'versionMustBeExact', title('Use the version that is here')),
  MLP3002: entry('lock-missing', 'warning', 'language', 'interpreterShouldHaveLock', title('Name the lock file')),
  MLP3003: entry('lock-not-pinned', 'warning', 'language', 'lockShouldBePinned', title('Pin the lock file')),
  MLP3004: entry('lock-changed', 'error', 'world', 'lockMustMatchItsPin', title('Pin what is there now')),
  MLP3005: entry('lock-not-found', 'error', 'world', 'lockMustBeThere', none(WORLD)),
  MLP3006: entry(
    'engine-not-here',
    'error',
    'world',
    'engineMustBeProvisionable',
    title('Use a version that can be had'),
  ),
  MLP3007: entry('training-not-seeded', 'warning', 'language', 'trainingShouldBeSeeded', title('Add a seed')),
  MLP3008: entry(
    'not-repeatable',
    'error',
    'world',
    'repeatableEngineMustBeDeterministic',
    title('Ask for `close` results'),
  ),
  MLP3009: entry('hardware-not-here', 'warning', 'world', 'hardwareShouldBePresent', none(WORLD)),
  MLP3010: entry('interpreter-differs', 'information', 'world', 'interpreterMayDiffer', none('nothing is wrong')),
  MLP3011: entry('no-engine', 'error', 'language', 'trainingMustHaveEngine', title('Add an engine')),
  MLP3012: entry('pin-of-nothing', 'error', 'language', 'pinMustHaveLock', title('Remove the pin')),
  MLP3013: entry('decayed-environment', 'warning', 'world', 'environmentShouldStillResolve', none(WORLD)),
  MLP3014: entry(
    'image-not-pinned',
    'error',
    'language',
    'imageMustHaveDigest',
    none('the digest must be asked of the registry'),
  ),
  MLP3015: entry(
    'image-not-alone',
    'error',
    'language',
    'imageMustStandAlone',
    title('Remove what the image replaces'),
  ),

  // 4xxx: models and training
  MLP4001: entry('shapes-do-not-fit', 'error', 'language', 'shapesMustFit', none(DESIGN)),
  MLP4002: entry(
    'output-does-not-fit',
    'error',
    'language',
    'outputMustFitTarget',
    title('Change the number of units'),
  ),
  MLP4003: entry('loss-does-not-fit', 'error', 'language', 'lossMustFitTarget', title('Use a loss that fits')),
  MLP4004: entry(
    'loss-wants-activation',
    'warning',
    'language',
    'lossShouldFitActivation',
    title('Change the activation'),
  ),
  MLP4005: entry('engine-cannot-train', 'error', 'world', 'engineMustTrainEverything', none(DESIGN)),
  MLP4006: entry('metric-does-not-apply', 'error', 'language', 'metricMustApply', none(DESIGN)),
  MLP4007: entry(
    'stop-without-validation',
    'warning',
    'language',
    'stopShouldHaveValidation',
    title('Validate on a part'),
  ),
  MLP4008: entry('batch-larger-than-data', 'warning', 'world', 'batchShouldFitData', none(VALUE)),
  MLP4009: entry(
    'model-empty',
    'error',
    'language',
    'modelMustHaveLayers',
    none('which layers, only the author knows'),
  ),
  MLP4010: entry('target-unclear', 'error', 'language', 'targetMustBeClear', title('Name the column')),
  MLP4011: entry(
    'input-not-numbers',
    'error',
    'language',
    'inputMustBeNumbers',
    none('a step must turn it into numbers first'),
  ),
  MLP4012: entry('data-lacks-column', 'error', 'language', 'dataMustHaveColumnsOfModel', none(DESIGN)),
  MLP4013: entry('target-is-input', 'error', 'language', 'targetMustNotBeInput', title('Remove the input')),
  MLP4014: entry(
    'normalization-not-first',
    'error',
    'language',
    'normalizationMustStandFirst',
    none('moving text is the author’s'),
  ),
  MLP4015: entry('weights-do-not-fit', 'error', 'language', 'weightsMustFitClasses', none(VALUE)),
  MLP4016: entry('class-unknown', 'error', 'language', 'classMustBeKnown', title('Change to the class that was meant')),
  MLP4017: entry(
    'model-in-code',
    'error',
    'language',
    'modelMustHaveKnownLayers',
    none('code cannot be rewritten as layers by rule'),
  ),
  MLP4018: entry('gate-points-wrong-way', 'warning', 'language', 'gateShouldPointTheRightWay', title('Turn it round')),

  // 5xxx: delivery
  MLP5001: entry('deploy-without-gate', 'error', 'language', 'deploymentMustHaveGate', none(DESIGN)),
  MLP5002: entry('gate-without-tolerance', 'warning', 'language', 'gateShouldHaveTolerance', title('Add a tolerance')),
  MLP5003: entry('monitor-without-baseline', 'error', 'language', 'monitorMustHaveBaseline', none(DESIGN)),
  MLP5004: entry('secret-not-set', 'warning', 'world', 'secretShouldBeSet', none(WORLD)),
  MLP5005: entry('tolerance-hides-class', 'warning', 'world', 'toleranceShouldNotHideClass', none(VALUE)),
  MLP5006: entry('subject-does-not-apply', 'error', 'language', 'subjectMustApply', none(DESIGN)),
  MLP5007: entry('secret-would-be-kept', 'error', 'language', 'secretMustNotBeKept', none(DESIGN)),

  // 6xxx: steps
  MLP6001: entry('output-written-twice', 'error', 'language', 'outputMustHaveOneStep', none(AUTHOR)),
  MLP6002: entry('undeclared-read', 'warning', 'world', 'readShouldBeDeclared', title('Declare it')),
  MLP6003: entry('read-not-found', 'error', 'world', 'readMustBeThere', none(WORLD)),
  MLP6004: entry('program-not-found', 'error', 'world', 'programMustBeFound', none(WORLD)),
  MLP6005: entry(
    'output-read-by-path',
    'warning',
    'language',
    'outputShouldBeReadByName',
    none('the command must be changed too'),
  ),
  MLP6006: entry('path-outside', 'error', 'language', 'pathMustLieInProject', none('the file must be moved')),
  MLP6007: entry('not-for-programs', 'error', 'language', 'commandMustNameWhatHasContent', none(DESIGN)),
  MLP6008: entry('output-not-used', 'hint', 'language', 'outputShouldBeUsed', title('Remove it')),
} as const satisfies Readonly<Record<string, CatalogueEntry>>;

export type Code = keyof typeof CATALOGUE;

export function isCode(word: unknown): word is Code {
  return typeof word === 'string' && Object.hasOwn(CATALOGUE, word);
}

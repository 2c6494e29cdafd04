/**
 * The language's services, without those of an editor: what the command line, the runtime and tests parse with. The
 * language server puts the same `MlpipeModule` on top of Langium's editor services.
 */
import {
  createDefaultCoreModule,
  createDefaultSharedCoreModule,
  type DefaultSharedCoreModuleContext,
  EmptyFileSystem,
  inject,
  type LangiumCoreServices,
  type LangiumSharedCoreServices,
  type Module,
  type PartialLangiumCoreServices,
} from 'langium';
import { MlpipeGeneratedModule, MlpipeGeneratedSharedModule } from './generated/module.ts';
import { FactsService } from './rules/facts-service.ts';
import { MlpipeRuleValidator } from './rules/validator.ts';
import { LazyDescriptionProvider } from './scoping/descriptions.ts';
import { TiesIndexManager } from './scoping/index-manager.ts';
import { BlockwiseLinker } from './scoping/linker.ts';
import { MlpipeScopeComputation } from './scoping/scope-computation.ts';
import { MlpipeScopeProvider } from './scoping/scope-provider.ts';
import { MlpipeLexerErrorMessageProvider } from './syntax/characters.ts';
import { LayoutLexer } from './syntax/layout.ts';
import { MlpipeParserErrorMessageProvider } from './syntax/messages.ts';
import { createSpellingParser } from './syntax/spelling.ts';
import { MlpipeTokenBuilder } from './syntax/tokens.ts';
import { MlpipeValueConverter } from './syntax/values.ts';
import { MlpipeWorkspaceManager } from './workspace-manager.ts';

/** What this language has beyond Langium's own services. Rooms of this floor add theirs here. */
export interface MlpipeAddedServices {
  rules: { Facts: FactsService };
}

export type MlpipeServices = LangiumCoreServices & MlpipeAddedServices;

export const MlpipeModule: Module<MlpipeServices, PartialLangiumCoreServices & MlpipeAddedServices> = {
  parser: {
    TokenBuilder: () => new MlpipeTokenBuilder(),
    Lexer: (services) => new LayoutLexer(services),
    LangiumParser: (services) => createSpellingParser(services),
    ValueConverter: () => new MlpipeValueConverter(),
    LexerErrorMessageProvider: () => new MlpipeLexerErrorMessageProvider(),
    ParserErrorMessageProvider: () => new MlpipeParserErrorMessageProvider(),
  },
  references: {
    Linker: (services) => new BlockwiseLinker(services),
    ScopeComputation: (services) => new MlpipeScopeComputation(services),
    ScopeProvider: (services) => new MlpipeScopeProvider(services),
  },
  workspace: {
    AstNodeDescriptionProvider: (services) => new LazyDescriptionProvider(services),
  },
  validation: {
    DocumentValidator: (services) => new MlpipeRuleValidator(services),
  },
  rules: {
    Facts: () => new FactsService(),
  },
};

/** What all files share; the language server puts it on top of Langium's shared editor services. */
export const MlpipeSharedModule = {
  workspace: {
    IndexManager: (services: LangiumSharedCoreServices) => new TiesIndexManager(services),
    WorkspaceManager: (services: LangiumSharedCoreServices) => new MlpipeWorkspaceManager(services),
  },
};

/**
 * Services for a process without an editor. The built-in library is not loaded yet: `loadPipeline` does that, or
 * `loadBuiltins`.
 */
export function createMlpipeServices(context: DefaultSharedCoreModuleContext = EmptyFileSystem): {
  shared: LangiumSharedCoreServices;
  mlpipe: MlpipeServices;
} {
  const shared = inject(createDefaultSharedCoreModule(context), MlpipeGeneratedSharedModule, MlpipeSharedModule);
  const mlpipe = inject(createDefaultCoreModule({ shared }), MlpipeGeneratedModule, MlpipeModule);
  shared.ServiceRegistry.register(mlpipe);
  // There is no client that would send a configuration.
  void shared.workspace.ConfigurationProvider.initialized({});
  return { shared, mlpipe };
}

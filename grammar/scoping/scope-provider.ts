/** What a name means where it stands: one method a kind of reference; `getScope` reads as the rule book. */
import {
  type AstNode,
  type AstNodeDescription,
  AstUtils,
  DefaultScopeProvider,
  DocumentState,
  EMPTY_SCOPE,
  type LangiumCoreServices,
  type LangiumDocuments,
  MapScope,
  type ReferenceInfo,
  type Scope,
  WorkspaceCache,
} from 'langium';
import * as ast from '../generated/ast.ts';
import { BUILTINS_URI, builtinElements, CALLABLE_OF_FACT, CHOICE_OF_FACT } from './builtins.ts';
import { choicesOfType, columnsOf, isDeclaration, outputsOf, partsOf } from './declarations.ts';
import { importedUri } from './imports.ts';
import { dataOf, targetOf } from './targets.ts';

export class MlpipeScopeProvider extends DefaultScopeProvider {
  private readonly documents: () => LangiumDocuments;
  /**
   * By file and kind. Langium's DocumentCache would survive a change in an imported file and keep its old nodes; this
   * one is emptied with every change, and with every build before anything is linked.
   */
  private readonly scopes: WorkspaceCache<string, Scope>;
  /** What belongs to a block or a callable: many names ask for the same. */
  private readonly inside: WorkspaceCache<AstNode, Scope>;

  constructor(services: LangiumCoreServices) {
    super(services);
    const { workspace } = services.shared;
    this.documents = () => workspace.LangiumDocuments;
    this.scopes = new WorkspaceCache(services.shared, DocumentState.ComputedScopes);
    this.inside = new WorkspaceCache(services.shared, DocumentState.ComputedScopes);
    workspace.DocumentBuilder.onUpdate(() => {
      this.scopes.clear();
      this.inside.clear();
    });
  }

  /**
   * By the type of the container: in completion the node that is not yet there has a right type and container, but a
   * wrong `$containerProperty` where the body of a rule is a group.
   */
  override getScope(context: ReferenceInfo): Scope {
    const { container, property } = context;
    switch (container.$type) {
      case ast.MemberExpression.$type:
        return this.membersOf(container as ast.MemberExpression);
      case ast.Argument.$type:
        return property === 'parameter' ? this.parametersFor(container as ast.Argument) : EMPTY_SCOPE;
      case ast.NameExpression.$type:
        return this.valuesFor(container as ast.NameExpression);
      case ast.StratifyFact.$type:
      case ast.GroupFact.$type:
        return this.nodeScope(columnsOf(AstUtils.getContainerOfType(container, ast.isData)));
      case ast.LayerCall.$type:
        return this.callables(container, 'layer');
      case ast.Call.$type:
        return this.callables(container, CALLABLE_OF_FACT[container.$container?.$type ?? ''] ?? 'layer');
      case ast.ImportItem.$type:
        return this.imported(container.$container);
    }
    const type = this.reflection.getReferenceType(context);
    if (type === ast.Choice.$type) return this.choicesOf(CHOICE_OF_FACT[container.$type]);
    return this.declarations(container, type);
  }

  /** Own file and what it imports, then the library; never another file's names unasked. The first of a name counts. */
  private declarations(node: AstNode, type: string): Scope {
    const document = AstUtils.getDocument(node);
    return this.scopes.get(`${document.uri} ${type}`, () => {
      const own = new Map<string, AstNodeDescription>();
      const declare = (target: AstNode, name: string): void => {
        if (!own.has(name)) own.set(name, this.descriptions.createDescription(target, name));
      };
      const root = AstUtils.findRootNode(node);
      for (const element of ast.isFile(root) ? root.elements : []) {
        if (ast.isImport(element)) {
          for (const item of element.items) {
            const target = item.target?.ref;
            if (target && this.reflection.isSubtype(target.$type, type))
              declare(target, item.name ?? item.target.$refText);
          }
        } else if (isDeclaration(element) && this.reflection.isSubtype(element.$type, type)) {
          declare(element, element.name);
        }
      }
      const isLibrary = document.uri.toString() === BUILTINS_URI.toString();
      return new MapScope(own.values(), isLibrary ? undefined : this.builtins(type));
    });
  }

  private builtins(type: string): Scope {
    return this.scopes.get(type, () =>
      this.nodeScope(
        builtinElements(this.documents()).filter(
          (element): element is ast.Element & { name: string } =>
            isDeclaration(element) && this.reflection.isSubtype(element.$type, type),
        ),
      ),
    );
  }

  private membersOf(container: ast.MemberExpression): Scope {
    const owner = targetOf(container.receiver);
    if (ast.isData(owner)) {
      const members = () => this.nodeScope([...columnsOf(owner), ...partsOf(owner)], this.libraryMembers('data'));
      return this.inside.get(owner, members);
    }
    if (ast.isTrain(owner)) {
      const metrics = this.declarations(container, ast.Metric.$type).getAllElements();
      return this.createScope(metrics, this.libraryMembers('train'));
    }
    if (ast.isEvaluate(owner)) {
      const metrics = this.declarations(container, ast.Metric.$type).getAllElements();
      return this.createScope(metrics, this.libraryMembers('evaluate'));
    }
    if (ast.isStep(owner)) return this.nodeScope(outputsOf(owner), this.libraryMembers('step'));
    if (ast.isDeploy(owner)) return this.libraryMembers('deploy');
    return EMPTY_SCOPE;
  }

  private libraryMembers(owner: string): Scope {
    return this.scopes.get(`members of ${owner}`, () =>
      this.nodeScope(
        builtinElements(this.documents())
          .filter(ast.isMemberDeclaration)
          .filter((declaration) => declaration.owner === owner)
          .flatMap((declaration) => declaration.members),
      ),
    );
  }

  /** A callable's and a metric's parameters; of a training, the parameter that it is expanded over. */
  private parametersFor(argument: ast.Argument): Scope {
    const owner = argument.$container;
    if (ast.isCall(owner) || ast.isGate(owner)) {
      const callee = ast.isCall(owner) ? owner.callee?.ref : owner.metric?.ref;
      return callee === undefined ? EMPTY_SCOPE : this.inside.get(callee, () => this.nodeScope(callee.parameters));
    }
    const training = ast.isDeploy(owner) ? owner.training?.ref : targetOf(owner);
    return ast.isTrain(training) ? this.sweptBy(training) : EMPTY_SCOPE;
  }

  private sweptBy(training: ast.Train): Scope {
    const { sweep } = training;
    const param = sweep?.param?.ref;
    return sweep?.param && param
      ? new MapScope([this.descriptions.createDescription(param, sweep.param.$refText)])
      : EMPTY_SCOPE;
  }

  /** What is nearer comes first: an argument's choices, a step's own outputs, the columns of the data trained on. */
  private valuesFor(name: ast.NameExpression): Scope {
    const outer = this.declarations(name, ast.Value.$type);
    for (let node: AstNode | undefined = name; node !== undefined; node = node.$container) {
      if (ast.isArgument(node)) {
        const parameter = node.parameter?.ref;
        return ast.isParameter(parameter) ? this.nodeScope(choicesOfType(parameter.type), outer) : outer;
      }
      if (ast.isParameter(node) || ast.isParam(node)) return this.nodeScope(choicesOfType(node.type), outer);
      if (ast.isWeightsFact(node))
        return this.createScope(this.choicesOf(CHOICE_OF_FACT[node.$type]).getAllElements(), outer);
      if (ast.isTargetFact(node)) return this.nodeScope(columnsOf(trainedOn(node)), outer);
      if (ast.isStep(node)) return this.nodeScope(outputsOf(node), outer);
    }
    return outer;
  }

  private callables(node: AstNode, kind: string): Scope {
    return this.scopes.get(`${AstUtils.getDocument(node).uri} callable ${kind}`, () => {
      const all = this.declarations(node, ast.Callable.$type).getAllElements();
      return new MapScope(all.filter(({ node: callable }) => ast.isCallable(callable) && callable.kind === kind));
    });
  }

  private choicesOf(declaration: string | undefined): Scope {
    return this.scopes.get(`choices of ${declaration}`, () => {
      const found = builtinElements(this.documents())
        .filter(ast.isChoiceDeclaration)
        .find(({ name }) => name === declaration);
      return this.nodeScope(found?.choices ?? []);
    });
  }

  /** By name; the first of a name counts. */
  private nodeScope(nodes: readonly (AstNode & { name: string })[], outer?: Scope): Scope {
    const named = nodes.filter(({ name }) => name !== undefined);
    return new MapScope(
      named.toReversed().map((node) => this.descriptions.createDescription(node, node.name)),
      outer,
    );
  }

  private imported(statement: AstNode | undefined): Scope {
    const uri = ast.isImport(statement) ? importedUri(statement) : undefined;
    if (uri === undefined) return EMPTY_SCOPE;
    const elements = this.indexManager.allElements(ast.Declaration.$type, new Set([uri.toString()]));
    return new MapScope(elements.toArray().reverse());
  }
}

function trainedOn(fact: ast.TargetFact): ast.Data | undefined {
  return dataOf(fact.$container.facts.find(ast.isOnFact)?.data);
}

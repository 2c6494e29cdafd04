/** What scopes and the index say of a node, found out when somebody asks. */
import {
  type AstNode,
  type AstNodeDescription,
  type AstNodeLocator,
  AstUtils,
  CstUtils,
  DefaultAstNodeDescriptionProvider,
  type DocumentSegment,
  type LangiumCoreServices,
  type LangiumDocument,
  type NameProvider,
  type URI,
} from 'langium';

/**
 * A name is looked up in a scope of many, and of these many only the name itself is read. Paths and places, which Langium
 * would find out for every one of them, are asked for by a completion or a search at most.
 */
export class LazyDescriptionProvider extends DefaultAstNodeDescriptionProvider {
  private readonly locator: AstNodeLocator;
  private readonly names: NameProvider;

  constructor(services: LangiumCoreServices) {
    super(services);
    this.locator = services.workspace.AstNodeLocator;
    this.names = services.references.NameProvider;
  }

  override createDescription(
    node: AstNode,
    name: string | undefined = this.names.getName(node),
    document?: LangiumDocument,
  ): AstNodeDescription {
    return name
      ? new LazyDescription(node, name, this.locator, this.names)
      : super.createDescription(node, name, document);
  }
}

class LazyDescription implements AstNodeDescription {
  readonly node: AstNode;
  readonly name: string;
  readonly type: string;
  private readonly locator: AstNodeLocator;
  private readonly names: NameProvider;

  constructor(node: AstNode, name: string, locator: AstNodeLocator, names: NameProvider) {
    this.node = node;
    this.name = name;
    this.type = node.$type;
    this.locator = locator;
    this.names = names;
  }

  get documentUri(): URI {
    return AstUtils.getDocument(this.node).uri;
  }

  get path(): string {
    return this.locator.getAstNodePath(this.node);
  }

  get nameSegment(): DocumentSegment | undefined {
    return CstUtils.toDocumentSegment(this.names.getNameNode(this.node) ?? this.node.$cstNode);
  }

  get selectionSegment(): DocumentSegment | undefined {
    return CstUtils.toDocumentSegment(this.node.$cstNode);
  }
}

import Catalog

/// Who may know of a server of this node and call it (`mesh.export`, `servers.NAME.export`, `servers.NAME.to`).
enum ServerAudience: Hashable, Sendable {
    /// This node's own callers.
    case nobody
    case everyone
    case only(ServerScope)

    init(of definition: ServerDefinition, in mesh: MeshSettings) {
        switch definition.export {
        case _ where !mesh.exports(definition.name): self = .nobody
        case .nobody: self = .nobody
        case .everyone: self = .everyone
        case .only(let scopes):
            self = .only(ServerScope(scopes))
        }
    }

    /// - Parameter node: another node, as far as this one knows it.
    func includes(_ node: NodeRecord?) -> Bool {
        switch self {
        case .nobody: false
        case .everyone: true
        case .only(let scope): node.map(scope.contains) ?? false
        }
    }
}

extension ServerScope {
    init(_ scopes: [ServerDefinition.Scope]) {
        self.init()
        for part in scopes {
            switch part {
            case .segment(let label): segments.insert(label)
            case .node(let label): nodes.insert(label)
            }
        }
    }
}

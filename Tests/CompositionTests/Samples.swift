import Catalog
import Composition
import JSONSlice

/// A small mesh written down in one expression.
struct SampleMesh {
    var catalog: CatalogSnapshot

    init(me: String = "here") {
        catalog = CatalogSnapshot(me: Self.id(me))
        addNode(me, reachability: .me)
    }

    static func id(_ label: String) -> NodeID { NodeID(ofKey: label.utf8) }

    mutating func addNode(
        _ label: String, id: NodeID? = nil, reachability: NodeRecord.Reachability = .reachable(path: [])
    ) {
        guard let name = Label(label) else { return }
        let id = id ?? Self.id(label)
        catalog.nodes[id] = NodeRecord(
            id: id, label: name, segment: name, roles: .ordinary, software: "", addresses: [],
            reachability: reachability, heardAt: .zero)
    }

    @discardableResult
    mutating func addServer(
        _ name: String, on node: String = "here", _ entries: [Entry]? = [], instructions: String? = nil,
        capabilities: JSON = .emptyObject, state: ServerState = .up
    ) -> ServerKey {
        let key = Self.key(name, on: node)
        let manifest = entries.map {
            Manifest(
                entries: $0, instructions: instructions, capabilities: capabilities, serverInfo: .emptyObject)
        }
        catalog.servers[key] = .init(record: ServerRecord(key: key, state: state), manifest: manifest)
        return key
    }

    static func key(_ name: String, on node: String = "here") -> ServerKey {
        // Only literals of these tests come here.
        ServerKey(owner: id(node), name: Label(fitting: name) ?? Label(fitting: "x")!)
    }

    func view(_ endpoint: Endpoint, nameLengthMax: Int = EntryNaming.lengthMaxDefault) -> EndpointView {
        EndpointView(of: endpoint, in: catalog, nameLengthMax: nameLengthMax)
    }

    /// Reads, resolves and shows a definition.
    func view(_ definition: JSON) throws -> EndpointView {
        try view(.virtual(VirtualServerDefinition(json: definition).resolve(against: catalog)))
    }
}

extension Entry {
    static func tool(_ name: String, _ schema: JSON = #"{"type":"object"}"#.json) -> Entry {
        .init(kind: .tool, definition: ["name": .string(name), "inputSchema": schema])!
    }

    static func prompt(_ name: String, arguments: JSON = []) -> Entry {
        .init(kind: .prompt, definition: ["name": .string(name), "arguments": arguments])!
    }

    static func resource(_ uri: String) -> Entry {
        .init(kind: .resource, definition: ["uri": .string(uri), "name": "r"])!
    }

    static func template(_ uri: String) -> Entry {
        .init(kind: .resourceTemplate, definition: ["uriTemplate": .string(uri), "name": "t"])!
    }
}

extension String {
    /// The text as JSON; texts of tests are valid.
    var json: JSON { (try? JSON(validating: self)) ?? .null }
}

extension EndpointView {
    func names(_ kind: EntryKind) -> [String] { list(kind).map(\.name) }
}

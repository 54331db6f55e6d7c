package import Catalog

/// What an entry is called where several servers are shown as one.
///
/// A name follows from labels and definitions alone: never from who is reachable, or who came first. It is
/// looked up in a binding table and never taken apart.
package enum EntryNaming {
    /// Clients put `mcp__martlet__` in front and stop at 60 to 64 characters.
    package static let lengthMaxDefault = 50
    /// What `names.max` may be: room for a word beside the hash, and what the strictest clients take.
    package static let lengthRange = 24...64
    /// Base32 characters of the original's hash: 30 bits.
    static let hashLength = 6

    /// `SERVER__ENTRY`, or `NODE--SERVER__ENTRY` when a node is given, made to fit.
    package static func name(node: String?, server: Label, entry: String, lengthMax: Int) -> String {
        fitted(whole(node: node, server: server, entry: entry), lengthMax: lengthMax)
    }

    static func whole(node: String?, server: Label, entry: String) -> String {
        "\(authority(node: node, server: server))__\(entry)"
    }

    /// How a server is called in names and URIs: `SERVER` or `NODE--SERVER`.
    static func authority(node: String?, server: Label) -> String {
        node.map { "\($0)--\(server)" } ?? server.text
    }

    /// The original itself if it is legal and short enough. Else each scalar outside `[A-Za-z0-9_-]` becomes
    /// `_`, and the end makes room for `_` and the first characters of the hash of the original.
    package static func fitted(_ original: String, lengthMax: Int) -> String {
        fitted(original, lengthMax: lengthMax, hashLength: hashLength)
    }

    static func fitted(_ original: String, lengthMax: Int, hashLength: Int) -> String {
        if isLegal(original), original.utf8.count <= lengthMax { return original }
        return marked(original, lengthMax: lengthMax, hashLength: hashLength)
    }

    /// With the hash at its end whether needed or not: for what would otherwise be called like another.
    static func marked(_ original: String, lengthMax: Int, hashLength: Int) -> String {
        let room = max(0, lengthMax - hashLength - 1)
        let kept = original.unicodeScalars.prefix(room).map { allows($0) ? Character($0) : "_" }
        return String(kept) + "_" + ContentHash(of: original.utf8).description.prefix(hashLength)
    }

    /// Whether a name can stand as it is: not empty, and only characters that every model API takes.
    package static func isLegal(_ name: String) -> Bool {
        !name.isEmpty && name.unicodeScalars.allSatisfy(allows)
    }

    private static func allows(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "A"..."Z", "a"..."z", "0"..."9", "_", "-": true
        default: false
        }
    }
}

/// How nodes are called in names of entries and in definitions: by label.
///
/// Two nodes carry one label only when issuers that were cut off from each other enrolled it twice; then both
/// appear as `LABEL-IDPREFIX`.
package struct NodeNames: Hashable, Sendable {
    private let names: [NodeID: String]

    package init(_ catalog: CatalogSnapshot) {
        let holders = Dictionary(grouping: catalog.nodes.values, by: \.label)
        names = catalog.nodes.mapValues { node in
            (holders[node.label]?.count ?? 0) > 1 ? Self.told(apart: node) : node.label.text
        }
    }

    /// A node that nobody has told us of goes by its id.
    package subscript(_ node: NodeID) -> String { names[node] ?? node.description }

    /// The node of this name, or of this id.
    package func node(_ name: String) -> NodeID? {
        names.first { $0.value == name }?.key ?? NodeID(name)
    }

    package var all: [String] { names.values.sorted() }

    private static func told(apart node: NodeRecord) -> String {
        let idPrefix = node.id.description.prefix(6)
        var label = node.label.text.prefix(Label.lengthMax - idPrefix.count - 1)
        while label.last == "-" { label.removeLast() }
        return "\(label)-\(idPrefix)"
    }
}

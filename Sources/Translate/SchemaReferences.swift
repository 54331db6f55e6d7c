import JSONSlice

/// Rewrites the references of a description's schemas so that a schema stands alone: what it refers to comes along under
/// `$defs`, each once, so that recursive schemas stay finite.
struct SchemaReferences {
    private static let (there, here) = ("#/components/schemas/", "#/$defs/")

    private let document: JSON
    /// Found and not yet brought along, in the order they were found.
    private var waiting: [String] = []
    private var known: Set<String> = []

    init(_ document: JSON) { self.document = document }

    /// The schema with its references turned to `$defs`. Recursive as deep as the document, which the JSON limits bound.
    mutating func rewrite(_ schema: JSON) -> JSON {
        switch schema.kind {
        case .array:
            var elements: [JSON] = []
            for element in schema.elements { elements.append(rewrite(element)) }
            return .array(elements)
        case .object:
            var members: [(String, JSON)] = []
            for (key, value) in schema.members {
                if key == "$ref", let target = value.string, target.hasPrefix(Self.there) {
                    let name = String(target.dropFirst(Self.there.count))
                    if known.insert(name).inserted { waiting.append(name) }
                    members.append((key, .string(Self.here + name)))
                } else {
                    members.append((key, rewrite(value)))
                }
            }
            return .object(members)
        case .string, .number, .bool, .null: return schema
        }
    }

    /// All that was referred to so far, and what that refers to. What the document lacks allows anything.
    mutating func definitions() -> [(String, JSON)] {
        var definitions: [(String, JSON)] = []
        while !waiting.isEmpty {
            let name = waiting.removeFirst()
            let plain = name.replacing("~1", with: "/").replacing("~0", with: "~")
            let schema = document["components"]?["schemas"]?[plain] ?? .emptyObject
            definitions.append((plain, rewrite(schema)))
        }
        return definitions
    }
}

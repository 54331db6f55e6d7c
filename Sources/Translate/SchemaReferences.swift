import JSONSlice

/// Rewrites the references of a description's schemas so that a schema stands alone: what it refers to comes along under
/// `$defs`, each once, so that recursive schemas stay finite.
struct SchemaReferences {
    private static let schemas = "/components/schemas/"

    private let document: JSON
    /// The name under `$defs` of each place in the document that was referred to.
    private var names: [String: String] = [:]
    private var taken: Set<String> = []
    /// Named and not yet brought along, in the order they were found.
    private var waiting: [(name: String, schema: JSON)] = []

    init(_ document: JSON) { self.document = document }

    /// The schema with its references turned to `$defs`. Recursive as deep as the document, which the JSON limits bound.
    ///
    /// A reference that leads nowhere, or into another document, is taken out: what is not known is for the API to refuse.
    mutating func rewrite(_ schema: JSON) -> JSON {
        switch schema.kind {
        case .array:
            var elements: [JSON] = []
            for element in schema.elements { elements.append(rewrite(element)) }
            return .array(elements)
        case .object:
            var members: [(String, JSON)] = []
            for (key, value) in schema.members {
                guard key == "$ref", let target = value.string else {
                    members.append((key, rewrite(value)))
                    continue
                }
                if let name = name(of: target) { members.append(("$ref", .string("#/$defs/" + name))) }
            }
            return .object(members)
        case .string, .number, .bool, .null: return schema
        }
    }

    /// All that was referred to so far, and what that refers to; `nil` if it comes to more than `bytesMax` in the
    /// description.
    mutating func definitions(bytesMax: Int) -> [(String, JSON)]? {
        var definitions: [(String, JSON)] = []
        var (next, bytes) = (0, 0)
        while next < waiting.count {
            let (name, schema) = waiting[next]
            next += 1
            bytes += schema.bytes.count
            guard bytes <= bytesMax else { return nil }
            definitions.append((name, rewrite(schema)))
        }
        return definitions
    }

    /// The name under which what a reference leads to comes along.
    private mutating func name(of target: String) -> String? {
        guard target.hasPrefix("#/") else { return nil }
        let place = String(target.dropFirst())
        if let known = names[place] { return known }
        guard let schema = document.pointer(place) else { return nil }
        let short = place.hasPrefix(Self.schemas) ? place.dropFirst(Self.schemas.count) : place.dropFirst()
        // Nothing in it that a JSON Pointer would have to escape.
        let plain = ToolName.plain(String(short))
        let name = ToolName.free(plain, besides: &taken)
        names[place] = name
        waiting.append((name, schema))
        return name
    }
}

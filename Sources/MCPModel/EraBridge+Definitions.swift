package import JSONSlice

/// Definitions of tools, resources, templates and prompts on their way down to older revisions.
extension EraBridge {
    /// A definition without what the revision does not know:
    ///
    /// | member | known from |
    /// |---|---|
    /// | tool `annotations` | 2025-03-26 |
    /// | `title`, `outputSchema` | 2025-06-18; until 2025-11-25 only with an object at the root |
    /// | `icons`, tool `execution` | 2025-11-25 |
    ///
    /// - Parameter method: the list it stands in, e.g. `tools/list`.
    package static func legacyDefinition(
        fromModern definition: JSON, listedBy method: String, revision: ProtocolRevision
    ) -> JSON {
        guard revision.era == .legacy else { return definition }
        let isTool = method == Method.toolsList
        var unknown: Set<String> = []
        if revision < .v2025_11_25 {
            unknown.insert("icons")
            if isTool { unknown.insert("execution") }
        }
        if revision < .v2025_06_18 { unknown.insert("title") }
        if revision < .v2025_03_26, isTool { unknown.insert("annotations") }
        if isTool, revision < .v2025_06_18 || !isObjectSchema(definition["outputSchema"]) {
            unknown.insert("outputSchema")
        }
        let known = definition.removing(where: unknown.contains)
        guard method == Method.promptsList, revision < .v2025_06_18 else { return known }
        return known.mappingElements(of: "arguments") { $0.removing("title") }
    }

    /// An Implementation object (`clientInfo`, `serverInfo`) without what the revision does not know.
    package static func legacyImplementation(_ info: JSON, revision: ProtocolRevision) -> JSON {
        guard revision < .v2025_11_25 else { return info }
        var unknown: Set<String> = ["icons", "description", "websiteUrl"]
        if revision < .v2025_06_18 { unknown.insert("title") }
        return info.removing(where: unknown.contains)
    }

    private static func isObjectSchema(_ schema: JSON?) -> Bool { schema?["type"]?.string == "object" }
}

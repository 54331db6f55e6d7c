import JSONSlice

/// Looks at the arguments of a call before the first step: a slip shall not show in the middle of a run.
///
/// The plain part of validation: `required`, and types and `enum` at the top. Steps' servers validate the rest.
enum CompositeInput {
    /// - Returns: what is wrong; `nil` when nothing is seen to be.
    static func problem(in input: JSON, _ schema: JSON) -> String? {
        guard input.kind == .object else { return "arguments must be an object" }
        guard input.bytes.count <= CompositeLimits.bytesMax else {
            return "the arguments have \(input.bytes.count) bytes; \(CompositeLimits.bytesMax) are the most"
        }
        for name in schema["required"]?.elements.compactMap(\.string) ?? [] where input[name] == nil {
            return "the argument \(name) is missing"
        }
        let properties = schema["properties"] ?? .emptyObject
        for (name, value) in input.members {
            guard let own = properties[name] else { continue }
            do {
                try Narrowing.check(Argument(name, value), against: own)
            } catch {
                return "\(error)"
            }
        }
        return nil
    }
}

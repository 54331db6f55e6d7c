import JSONSlice

/// Looks at the arguments of a call before the first step: a slip shall not show in the middle of a run.
///
/// What ``SchemaCheck`` sees to be wrong; steps' servers validate the rest.
enum CompositeInput {
    /// - Returns: what is wrong; `nil` when nothing is seen to be.
    static func problem(in input: JSON, _ schema: JSON) -> String? {
        guard input.kind == .object else { return "arguments must be an object" }
        guard input.bytes.count <= CompositeLimits.bytesMax else {
            return "the arguments have \(input.bytes.count) bytes; \(CompositeLimits.bytesMax) are the most"
        }
        let mismatches = SchemaCheck.mismatches(of: input, with: schema)
        return mismatches.isEmpty ? nil : mismatches.map(\.description).joined(separator: "; ")
    }
}

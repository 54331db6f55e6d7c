package import JSONSlice

extension CanonicalDecoder {
    /// A JSON value, validated, its bytes kept.
    package mutating func json(max: Int, _ what: StaticString) throws(WireError) -> JSON {
        let bytes = try slice(max: max, what)
        // Whoever wrote it held it to a limit of nesting of its own.
        var limits = JSONLimits()
        limits.depthMax = 512
        guard let json = try? JSON(validating: bytes, limits: limits), json.bytes.count == bytes.count else {
            throw .invalid("\(what)")
        }
        return json
    }
}

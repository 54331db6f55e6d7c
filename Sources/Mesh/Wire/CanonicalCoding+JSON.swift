package import JSONSlice

extension CanonicalDecoder {
    /// A JSON value, validated, its bytes kept.
    package mutating func json(max: Int, _ what: StaticString) throws(WireError) -> JSON {
        let bytes = try slice(max: max, what)
        guard let json = try? JSON(validating: bytes), json.bytes.count == bytes.count else {
            throw .invalid("\(what)")
        }
        return json
    }
}

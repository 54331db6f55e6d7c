package import JSONSlice

/// A plain call on its way between two nodes: what the connection's `_meta` says goes in the call's header there, and its params without
/// that (``RequestMeta/stripped(_:)``).
extension PlainToolCall {
    /// The params as they go to another node.
    ///
    /// - Parameter name: the owner's own name of the tool, as a JSON string.
    /// - Complexity: O(bytes), one copy.
    package func carriedParams(name: JSON) -> JSON {
        params.replacing(value: namePlace, with: name, leavingOut: metaPlace)
    }
}

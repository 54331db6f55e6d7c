package import JSONSlice

/// A plain call on its way between two nodes: what the connection's `_meta` says goes in the call's header there, and its params without
/// that (``RequestMeta/stripped(_:)``).
extension PlainToolCall {
    /// Of no client: whoever answers knows the call by its own id.
    private static let nobodys = RPCID(0)

    /// A call as another node passes it on.
    ///
    /// - Parameters:
    ///   - params: without `_meta`, valid JSON.
    ///   - capabilities: the client's.
    /// - Returns: `nil` for anything else.
    package init?(carried params: JSON, capabilities: JSON, clientInfo: JSON?) {
        guard params.kind == .object else { return nil }
        var (name, arguments): (JSON.MemberPlace?, JSON.MemberPlace?)
        var (isPlain, end) = (true, 0)
        params.forEachPlace { key, place in
            switch key {
            case "name": name = place
            case "arguments": arguments = place
            default: isPlain = false
            }
            end = place.whole.upperBound
        }
        guard isPlain, let name else { return nil }
        let text = params.value(at: name)
        guard text.kind == .string, !text.bytes.contains(UInt8(ascii: "\\")) else { return nil }
        id = Self.nobodys
        self.params = params
        self.name = text
        self.arguments = arguments.map { params.value(at: $0) }
        self.capabilities = capabilities
        self.clientInfo = clientInfo
        namePlace = name.value
        metaPlace = end..<end
        self.end = end
    }

    /// The params as they go to another node.
    ///
    /// - Parameter name: the owner's own name of the tool, as a JSON string.
    /// - Complexity: O(bytes), one copy.
    package func carriedParams(name: JSON) -> JSON {
        params.replacing(value: namePlace, with: name, leavingOut: metaPlace)
    }
}

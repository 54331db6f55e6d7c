package import JSONSlice

/// The answer to a `tools/call` that is a complete result and nothing else, read in one walk and written for its client
/// without a copy of it.
///
/// ``pieces(id:serverInfo:)`` give the bytes that ``EraBridge/withServerInfo(_:_:)`` and ``RPCMessage`` give. Errors, tasks, rounds of
/// input and answers to something else are none.
package struct PlainToolAnswer: Sendable {
    package let result: JSON
    /// Whether the tool says that it failed.
    package let isError: Bool
    /// Whether nothing in it can point at a resource.
    package let namesNoResource: Bool
    private let hasMeta: Bool
    /// Behind the last member of the result.
    private let end: Int

    /// - Parameter number: the id of the request.
    /// - Returns: `nil` for anything else.
    package init?(_ document: JSON, to number: Int) {
        var result: JSON?
        var (isVersion, isAnswer, isPlain) = (false, false, document.kind == .object)
        document.forEachMember { key, value in
            switch key {
            case "jsonrpc": isVersion = value == ("\"2.0\"" as StaticString)
            case "id": isAnswer = value.kind == .number && value.int == number
            case "result": result = value
            default: isPlain = false
            }
        }
        guard isPlain, isVersion, isAnswer, let result, result.kind == .object else { return nil }
        self.init(result: result)
    }

    /// - Parameter result: of a call.
    /// - Returns: `nil` for one that is not complete.
    package init?(result: JSON) {
        var (isComplete, isError, hasMeta, namesNoResource, end) = (false, false, false, true, 0)
        result.forEachPlace { key, place in
            switch key {
            case "resultType": isComplete = result.value(at: place) == ("\"complete\"" as StaticString)
            case "isError": isError = result.value(at: place) == ("true" as StaticString)
            case "_meta": hasMeta = true
            case "content": namesNoResource = Self.namesNoResource(result.value(at: place))
            // Of other methods, and of no meaning here; whoever rewrites knows them.
            case "contents", "messages": namesNoResource = false
            default: break
            }
            end = place.whole.upperBound
        }
        guard isComplete else { return nil }
        self.result = result
        self.isError = isError
        self.hasMeta = hasMeta
        self.namesNoResource = namesNoResource && !hasMeta
        self.end = end
    }

    private static func namesNoResource(_ content: JSON) -> Bool {
        var isPlain = true
        content.forEachElement { block in
            block.forEachMember { key, value in
                guard key == ("type" as StaticString) else { return }
                isPlain =
                    isPlain
                    && (value == ("\"text\"" as StaticString) || value == ("\"image\"" as StaticString)
                        || value == ("\"audio\"" as StaticString))
            }
        }
        return isPlain
    }

    /// The message as the client gets it, piece by piece.
    ///
    /// - Parameters:
    ///   - id: the client's.
    ///   - serverInfo: who answers.
    /// - Complexity: O(1), and O(bytes) where the result has a `_meta`.
    package func pieces(id: RPCID, serverInfo: JSON) -> [ArraySlice<UInt8>] {
        guard !hasMeta else { return Self.pieces(id: id, EraBridge.withServerInfo(result, serverInfo)) }
        var meta: [UInt8] = []
        meta.reserveCapacity(serverInfo.bytes.count + 64)
        meta.append(#","_meta":{"io.modelcontextprotocol/serverInfo":"#)
        meta.append(contentsOf: serverInfo.bytes)
        meta.append("}")
        meta.append(contentsOf: result.bytes[end...])
        meta.append(UInt8(ascii: "}"))
        return [Self.head(id: id)[...], result.bytes[..<end], meta[...]]
    }

    /// The message with a result that was rewritten.
    package static func pieces(id: RPCID, _ result: JSON) -> [ArraySlice<UInt8>] {
        [head(id: id)[...], result.bytes, [UInt8(ascii: "}")]]
    }

    private static func head(id: RPCID) -> [UInt8] {
        var head: [UInt8] = []
        head.reserveCapacity(id.json.bytes.count + 48)
        head.append(#"{"jsonrpc":"2.0","id":"#)
        head.append(contentsOf: id.json.bytes)
        head.append(#","result":"#)
        return head
    }
}

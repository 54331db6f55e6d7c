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
        var (isComplete, isError, hasMeta, namesNoResource) = (false, false, false, true)
        result.read { cursor in
            cursor.members { key, value in
                switch key {
                case "resultType": isComplete = value.take() == "\"complete\""
                case "isError": isError = value.take() == "true"
                case "_meta": hasMeta = true
                case "content": namesNoResource = namesNoResource && Self.namesNoResource(&value)
                // Of other methods, and of no meaning here; whoever rewrites knows them.
                case "contents", "messages": namesNoResource = false
                default: break
                }
            }
        }
        guard isComplete else { return nil }
        self.result = result
        self.isError = isError
        self.hasMeta = hasMeta
        self.namesNoResource = namesNoResource && !hasMeta
        // White space may stand between the last member and the bracket.
        end =
            result.bytes.dropLast().lastIndex { $0 > UInt8(ascii: " ") }.map { $0 + 1 }
            ?? result.bytes.startIndex
    }

    private static func namesNoResource(_ content: inout JSONCursor) -> Bool {
        var isPlain = true
        content.elements { block in
            block.members { key, value in
                guard key == ("type" as StaticString) else { return }
                let kind = value.take()
                isPlain = isPlain && (kind == "\"text\"" || kind == "\"image\"" || kind == "\"audio\"")
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
        var meta = ByteWriter(capacity: serverInfo.bytes.count + result.bytes[end...].count + 64)
        meta.put(#","_meta":{"io.modelcontextprotocol/serverInfo":"#)
        meta.put(serverInfo.bytes)
        meta.put("}")
        meta.put(result.bytes[end...])
        meta.put("}")
        return [Self.head(id: id)[...], result.bytes[..<end], meta.finished()[...]]
    }

    /// The message with a result that was rewritten.
    package static func pieces(id: RPCID, _ result: JSON) -> [ArraySlice<UInt8>] {
        [head(id: id)[...], result.bytes, [UInt8(ascii: "}")]]
    }

    private static func head(id: RPCID) -> [UInt8] {
        var head = ByteWriter(capacity: id.json.bytes.count + 48)
        head.put(#"{"jsonrpc":"2.0","id":"#)
        head.put(id.json.bytes)
        head.put(#","result":"#)
        return head.finished()
    }
}

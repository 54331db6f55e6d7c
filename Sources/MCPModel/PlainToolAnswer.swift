package import JSONSlice

/// The answer to a `tools/call` that is a complete result and nothing else, read in one walk and written for its client in one copy.
///
/// ``message(id:serverInfo:)`` gives the bytes that ``EraBridge/withServerInfo(_:_:)`` and ``RPCMessage`` give. Errors, tasks, rounds of
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
    private init?(result: JSON) {
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

    /// The message as the client gets it.
    ///
    /// - Parameters:
    ///   - id: the client's.
    ///   - serverInfo: who answers.
    /// - Complexity: O(bytes), one copy where the result has no `_meta`.
    package func message(id: JSON, serverInfo: JSON) -> [UInt8] {
        guard !hasMeta else {
            return Self.message(id: id, EraBridge.withServerInfo(result, serverInfo))
        }
        var message = Self.head(id: id, roomFor: result.bytes.count + serverInfo.bytes.count)
        message.append(contentsOf: result.bytes[..<end])
        message.append(#","_meta":{"io.modelcontextprotocol/serverInfo":"#)
        message.append(contentsOf: serverInfo.bytes)
        message.append("}")
        message.append(contentsOf: result.bytes[end...])
        message.append(UInt8(ascii: "}"))
        return message
    }

    /// The message with a result that was rewritten.
    package static func message(id: JSON, _ result: JSON) -> [UInt8] {
        var message = head(id: id, roomFor: result.bytes.count)
        message.append(contentsOf: result.bytes)
        message.append(UInt8(ascii: "}"))
        return message
    }

    private static func head(id: JSON, roomFor count: Int) -> [UInt8] {
        var message: [UInt8] = []
        message.reserveCapacity(id.bytes.count + count + 128)
        message.append(#"{"jsonrpc":"2.0","id":"#)
        message.append(contentsOf: id.bytes)
        message.append(#","result":"#)
        return message
    }
}

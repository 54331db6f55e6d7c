package import JSONSlice

/// A `tools/call` of 2026-07-28 with nothing out of the ordinary in it: what most calls are, read in one walk and written for its server
/// in one copy.
///
/// ``message(number:name:begunBy:)`` gives the bytes that the general way (``RPCMessage``, ``RequestMeta``) gives; whatever would need
/// more than that (progress, log messages, a trace of the client's, extensions, rounds of input) is none, and goes that way.
package final class PlainToolCall: Sendable {
    package let id: RPCID
    /// As the client sent them.
    package let params: JSON
    /// A JSON string without escapes.
    package let name: JSON
    package let arguments: JSON?
    /// The client's capabilities object.
    package let capabilities: JSON
    package let clientInfo: JSON?

    let namePlace: Range<Int>
    /// `_meta` with the comma that goes with it.
    let metaPlace: Range<Int>
    /// Behind the last member that stays.
    let end: Int

    /// What is read of params before all of it is known.
    private struct Reading {
        var name: JSON.MemberPlace?
        var arguments: JSON.MemberPlace?
        var meta: JSON.MemberPlace?
        /// The ends of the members before and behind `_meta`.
        var endBeforeMeta: Int?
        var startBehindMeta: Int?
        var lastEnd = 0
        var isPlain = true
    }

    /// - Parameter client: who calls in a session, and said there what else each call says of its client; such a call has no `_meta`.
    /// - Returns: `nil` for anything else.
    /// - Complexity: O(bytes)
    package init?(_ document: JSON, inSessionOf client: ClientFacts? = nil) {
        var (id, params): (JSON?, JSON?)
        var (isVersion, isCall, isPlain) = (false, false, true)
        document.forEachMember { key, value in
            switch key {
            case "jsonrpc": isVersion = value == ("\"2.0\"" as StaticString)
            case "id": id = value
            case "method": isCall = value == ("\"tools/call\"" as StaticString)
            case "params": params = value
            default: isPlain = false
            }
        }
        guard isVersion, isCall, isPlain, let id = id.flatMap(RPCID.init), let params, params.kind == .object
        else {
            return nil
        }
        var reading = Reading()
        params.forEachPlace { key, place in
            switch key {
            case "name": reading.name = place
            case "arguments": reading.arguments = place
            case "_meta":
                reading.meta = place
                reading.endBeforeMeta = reading.lastEnd == 0 ? nil : reading.lastEnd
                return
            default: reading.isPlain = false
            }
            if reading.meta != nil, reading.startBehindMeta == nil {
                reading.startBehindMeta = place.whole.lowerBound
            }
            reading.lastEnd = place.whole.upperBound
        }
        let meta: Meta? =
            if let place = reading.meta {
                client == nil ? Meta(params.value(at: place)) : nil
            } else {
                client.map { Meta($0) }
            }
        guard reading.isPlain, let namePlace = reading.name, let meta else { return nil }
        let name = params.value(at: namePlace)
        guard name.kind == .string, !name.bytes.contains(UInt8(ascii: "\\")) else { return nil }
        self.id = id
        self.params = params
        self.name = name
        arguments = reading.arguments.map { params.value(at: $0) }
        capabilities = meta.capabilities
        clientInfo = meta.clientInfo
        self.namePlace = namePlace.value
        // As ``JSON/removing(where:)`` would: behind a member that stays, the comma before goes; in front of all, the comma after.
        self.metaPlace =
            reading.meta.map { place in
                reading.endBeforeMeta.map { $0..<place.whole.upperBound }
                    ?? place.whole.lowerBound..<(reading.startBehindMeta ?? place.whole.upperBound)
            } ?? reading.lastEnd..<reading.lastEnd
        end = reading.lastEnd
    }

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

    /// A call that differs from one read before in nothing but its id and its arguments, which are in the frame's gaps.
    init(like sample: PlainToolCall, _ filled: JSONFrame.Filled) {
        func moved(_ range: Range<Int>) -> Range<Int> {
            filled.place(of: range.lowerBound)..<filled.place(of: range.upperBound)
        }
        id = RPCID(certain: filled.scalar)
        params = filled.value(at: sample.params.bytes.indices)
        name = sample.name
        arguments = filled.value
        capabilities = sample.capabilities
        clientInfo = sample.clientInfo
        namePlace = moved(sample.namePlace)
        metaPlace = moved(sample.metaPlace)
        end = filled.place(of: sample.end)
    }

    /// `_meta` of what is plain: version and capabilities, perhaps who the client is.
    private struct Meta {
        var capabilities = JSON.emptyObject
        var clientInfo: JSON?

        init(_ client: ClientFacts) {
            capabilities = client.capabilities
            clientInfo = client.info
        }

        init?(_ meta: JSON) {
            var (isVersion, hasCapabilities, isPlain) = (false, false, meta.kind == .object)
            meta.forEachMember { key, value in
                switch key {
                case "io.modelcontextprotocol/protocolVersion":
                    isVersion = value == ("\"2026-07-28\"" as StaticString)
                case "io.modelcontextprotocol/clientCapabilities":
                    hasCapabilities = value.kind == .object
                    capabilities = value
                case "io.modelcontextprotocol/clientInfo":
                    isPlain = isPlain && value.kind == .object
                    clientInfo = value
                default: isPlain = false
                }
            }
            guard isPlain, isVersion, hasCapabilities, capabilities["extensions"] == nil else { return nil }
        }
    }

    // MARK: For the server

    /// The message as the server gets it.
    ///
    /// - Parameters:
    ///   - number: its id there.
    ///   - name: the server's own name of the tool, as a JSON string.
    ///   - id: of the call, which begins the trace that the server is told of (``TraceContext/init(begunBy:)``).
    ///   - era: the server's. A session was told who calls when it began.
    /// - Complexity: O(bytes), one copy.
    package func message(number: Int, name: JSON, begunBy id: CallID, in era: Era = .modern) -> [UInt8] {
        var message = ByteWriter(
            capacity: params.bytes.count + name.bytes.count + capabilities.bytes.count
                + (clientInfo?.bytes.count ?? 0) + Self.room)
        message.put(#"{"jsonrpc":"2.0","id":"#)
        message.put(decimal: number)
        message.put(#","method":"tools/call","params":"#)
        let isNameFirst = namePlace.lowerBound < metaPlace.lowerBound
        if !isNameFirst { message.put(params.bytes[..<metaPlace.lowerBound]) }
        message.put(
            params.bytes[
                (isNameFirst ? params.bytes.startIndex : metaPlace.upperBound)..<namePlace.lowerBound])
        message.put(name.bytes)
        var at = namePlace.upperBound
        if isNameFirst {
            message.put(params.bytes[at..<metaPlace.lowerBound])
            at = metaPlace.upperBound
        }
        if at < end {
            message.put(params.bytes[at..<end])
            at = end
        }
        message.put(#","_meta":{"#)
        if era == .modern {
            message.put(
                #""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":"#
            )
            message.put(capabilities.bytes)
            if let clientInfo {
                message.put(#","io.modelcontextprotocol/clientInfo":"#)
                message.put(clientInfo.bytes)
            }
            message.put(",")
        }
        message.put(#""traceparent":""#)
        message.put(traceBegunBy: id)
        message.put("\"}")
        message.put(params.bytes[at...])
        message.put("}")
        return message.finished()
    }

    /// What comes to the params and goes from them.
    private static let room = 256
}

extension ByteWriter {
    /// As ``TraceContext/traceparent`` spells it.
    fileprivate mutating func put(traceBegunBy id: CallID) {
        guard id.low != 0 else { return put(Array(TraceContext(begunBy: id).traceparent.utf8)[...]) }
        put("00-")
        put(hex: id.high)
        put(hex: id.low)
        put("-")
        put(hex: id.low)
        put("-01")
    }
}

import JSONSlice
@testable import MCPModel

extension FuzzTarget {
    /// A document, looked into and changed at every member.
    static let json = FuzzTarget(name: "json") { input in
        guard let json = try? JSON(validating: input) else { return }
        claim(isValid(json), "a value that was cut out is valid")
        claim(isValid(json.onOneLine), "a value on one line is valid")
        _ = (
            json.string, json.int, json.double, json.bool, json.pointer("/a/0/~1"),
            json.mentions("x-mcp-header")
        )
        if let canonical = json.canonical {
            let again = try? JSON(validating: canonical.bytes)
            claim(again != nil, "the canonical form is valid")
            claim(again?.canonical?.bytes == canonical.bytes, "the canonical form is its own")
        }
        for (key, value) in json.members {
            // A key with half a pair reads with U+FFFD, under which it is not found again.
            guard let found = json[key] else { continue }
            claim(found == value || key.unicodeScalars.contains("\u{FFFD}"), "a member is found by its key")
            let set = json.setting(key, to: [1])
            claim(isValid(set) && set[key] == [1], "a member is replaced")
            let removed = json.removing(key)
            claim(
                isValid(removed) && (removed[key] == nil || key.unicodeScalars.contains("\u{FFFD}")),
                "a member is removed")
            claim(isValid(json.renaming(key, to: "new \" key")), "a member is renamed")
            claim(isValid(value), "a member's value is valid")
            claim(value.isSame(as: value) || value.double == nil, "a value is the same as itself")
            _ = value.isBelow(json)
        }
        if json.kind == .object {
            let added = json.setting("\u{0}added", to: json)
            claim(
                (try? JSON(validating: added.bytes, limits: deep)) != nil && added["\u{0}added"] == json,
                "a member is added")
        }
        for (index, element) in json.elements.prefix(32).enumerated() {
            claim(json[index] == element && isValid(element), "an element is found by its index")
        }
    }

    private static let deep: JSONLimits = {
        var limits = JSONLimits()
        limits.depthMax = 256
        return limits
    }()

    private static func isValid(_ json: JSON) -> Bool {
        guard let again = try? JSON(validating: json.bytes) else { return false }
        return again == json
    }

    /// One message of JSON-RPC, through the envelope, the eras, and what is read of schemas.
    static let mcpMessages = FuzzTarget(name: "mcp-messages") { input in
        let skim = EnvelopeSkim(input)
        var drip = EnvelopeSkim()
        for byte in input { drip.take(CollectionOfOne(byte)) }
        claim(skim == drip, "an envelope does not depend on how it is cut")
        guard let json = try? JSON(validating: input) else { return }
        _ = RPCMessage.readableID(in: json)
        guard let message = try? RPCMessage(json) else { return }
        let again = try? RPCMessage(message.json)
        claim(again == message, "a message reads as it is written")
        if let id = message.id, message.method != nil {
            claim(skim.id == id || json["id"] == nil, "the skimmed id is the id")
        }
        for revision in ProtocolRevision.allCases {
            _ = ModernRequest.era(of: message, versionHeader: revision.rawValue)
        }
        _ = try? ModernRequest(message, headers: nil)
        _ = try? ModernRequest(message) { name in [name] }
        guard let params = message.params else { return }
        _ = EraBridge.legacyParams(fromModern: params)
        _ = EraBridge.withoutModernMeta(params)
        let headers = MirroredHeaders(version: "2026-07-28", method: message.method ?? "", params: params)
        _ = try? MirroredHeaders.check(
            { name in headers.fields.filter { $0.name == name }.map(\.value) }, method: message.method ?? "",
            params: params)
        if let tool = ToolDefinition(params) {
            if let parameters = try? tool.parameterHeaders() {
                try? MirroredHeaders.check({ _ in ["1"] }, arguments: params, against: parameters)
            }
        }
        for revision in ProtocolRevision.allCases {
            _ = EraBridge.legacyContent(fromModern: params, revision: revision)
        }
    }

    /// Values of single headers.
    static let mcpHeaders = FuzzTarget(name: "mcp-headers", bytesMax: 1024) { input in
        let text = String(decoding: input, as: UTF8.self)
        let encoded = MirroredHeaders.encoded(text)
        claim(encoded.utf8.allSatisfy { $0 == 9 || (0x20...0x7E).contains($0) }, "an encoded header is plain")
        claim(MirroredHeaders.decoded(encoded) == text, "a header reads as it is written")
        _ = MirroredHeaders.decoded(text)
        claim(Base64.decode(Base64.encode(input)) == input, "base64 reads as it is written")
        if let bytes = Base64.decode(text) { claim(Base64.encode(bytes) == text, "base64 has one spelling") }
        if let trace = TraceContext(text) {
            claim(TraceContext(trace.traceparent) == trace, "a trace reads as it is sent on")
        }
        try? MirroredHeaders.check({ _ in [text] }, method: "tools/call", params: ["name": .string(text)])
    }

    /// `text/event-stream`.
    static let eventStream = FuzzTarget(name: "event-stream") { input in
        let limit = 256
        var events: [[SSEEvent]] = []
        for size in [input.count, 1, 7] {
            var parser = SSEParser(limit: limit)
            var read: [SSEEvent] = []
            var rest = input[...]
            do throws(SSEParser.TooLarge) {
                while !rest.isEmpty {
                    read += try parser.push(rest.prefix(max(1, size)))
                    rest = rest.dropFirst(max(1, size))
                }
                events.append(read)
            } catch {
                claim(throwsAgain(&parser), "a parser that gave up yields nothing more")
            }
        }
        claim(
            events.isEmpty || events.count == 3 && events.allSatisfy { $0 == events[0] },
            "events do not depend on how they are cut")
        for event in events.first ?? [] {
            var parser = SSEParser()
            let again = (try? parser.push(event.bytes)) ?? []
            claim(
                again.count == 1 && again.first?.text.utf8.count == event.text.utf8.count,
                "an event reads as it is written")
        }
        var lenient = SSEParser(limit: limit, overLimit: .leavesOut)
        _ = try? lenient.push(input)
        claim(lenient.takeLeftOut().count <= input.count, "each event is left out once")
    }

    private static func throwsAgain(_ parser: inout SSEParser) -> Bool {
        do {
            _ = try parser.push(Array("data: x\n\n".utf8))
            return false
        } catch {
            return true
        }
    }
}

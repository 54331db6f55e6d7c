import JSONSlice

/// One event of `text/event-stream` (WHATWG HTML §9.2), read or to be written.
package struct SSEEvent: Hashable, Sendable {
    /// The event's type; `nil` where none was named, which means `message`.
    package var type: String?
    /// The data lines, joined by line feeds.
    package var data: [UInt8]
    /// Read: the last id seen up to and with this event. Written: the id to give it.
    package var id: String?
    /// Milliseconds that a client is asked to wait before it reconnects.
    package var retry: Int?

    package init(type: String? = nil, data: [UInt8], id: String? = nil, retry: Int? = nil) {
        self.type = type
        self.data = data
        self.id = id
        self.retry = retry
    }

    /// A message of MCP as an event.
    package init(_ message: RPCMessage, id: String? = nil) {
        self.init(type: "message", data: Array(message.json.onOneLine.bytes), id: id)
    }

    package var text: String { String(decoding: data, as: UTF8.self) }

    /// The event as bytes. Line breaks in `type` and `id` are left out, since they would end the field.
    package var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(data.count + 64)
        if let type { Self.append("event: ", Self.oneLine(type), to: &result) }
        if let id { Self.append("id: ", Self.oneLine(id), to: &result) }
        if let retry { Self.append("retry: ", String(max(0, retry)).utf8, to: &result) }
        for line in Self.lines(data) { Self.append("data: ", line, to: &result) }
        result.append(0x0A)
        return result
    }

    /// A comment line, which keeps a quiet stream open.
    package static let keepAlive: [UInt8] = Array(":\n\n".utf8)

    private static func append(_ field: String, _ value: some Sequence<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(contentsOf: field.utf8)
        bytes.append(contentsOf: value)
        bytes.append(0x0A)
    }

    private static func oneLine(_ text: String) -> [UInt8] {
        text.utf8.filter { $0 != 0x0A && $0 != 0x0D && $0 != 0 }
    }

    /// Split where a reader would see a line end: LF, CR or CRLF.
    private static func lines(_ data: [UInt8]) -> [ArraySlice<UInt8>] {
        var result: [ArraySlice<UInt8>] = []
        var start = 0
        for (index, byte) in data.enumerated() where byte == 0x0A || byte == 0x0D {
            if byte == 0x0A, index > 0, data[index - 1] == 0x0D {
                start = index + 1
                continue
            }
            result.append(data[start..<index])
            start = index + 1
        }
        return result + [data[start...]]
    }
}

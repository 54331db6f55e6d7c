import JSONSlice

/// Server-sent events as text, read and written apart from the product's own parser.
struct EventText: Sendable {
    struct Event: Hashable, Sendable {
        var type = "message"
        var id: String?
        var retry: Int?
        var data = ""
    }

    private var pending: [UInt8] = []

    /// Takes the next bytes; gives the events that an empty line completes. Comments are left out.
    mutating func take(_ bytes: [UInt8]) -> [Event] {
        pending += bytes
        var events: [Event] = []
        while let end = pending.firstRange(of: Array("\n\n".utf8)) {
            let block = String(decoding: pending[..<end.lowerBound], as: UTF8.self)
            pending.removeSubrange(..<end.upperBound)
            if let event = Self.event(block) { events.append(event) }
        }
        return events
    }

    private static func event(_ block: String) -> Event? {
        var event = Event()
        var data: [Substring] = []
        var isEvent = false
        for line in block.split(separator: "\n") where !line.hasPrefix(":") {
            isEvent = true
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            let value = parts.count > 1 ? parts[1].drop { $0 == " " } : ""
            switch parts[0] {
            case "event": event.type = String(value)
            case "id": event.id = String(value)
            case "retry": event.retry = Int(value)
            case "data": data.append(value)
            default: break
            }
        }
        event.data = data.joined(separator: "\n")
        return isEvent ? event : nil
    }

    static func bytes(_ message: JSON, id: String? = nil) -> [UInt8] {
        Array("\(id.map { "id: \($0)\n" } ?? "")data: \(message.onOneLine.text)\n\n".utf8)
    }
}

/// Reads `text/event-stream` (WHATWG HTML §9.2) from chunks cut anywhere.
///
/// Events come out the same however the bytes are split. An event that its stream never ended with a blank line
/// is lost, as the standard wants it.
package struct SSEParser: Sendable {
    /// Bytes that one event may take; the same as one JSON document, which is what MCP's events hold.
    package static let eventBytesMax = 64 * 1024 * 1024

    /// What becomes of an event that grows past the bound.
    package enum OverLimit: Hashable, Sendable {
        /// The parser throws, and yields nothing more.
        case fails
        /// The event is left out, and what its envelope says is kept for ``SSEParser/takeLeftOut()``.
        case leavesOut
    }

    /// An event grew past the bound. The parser yields nothing more.
    package struct TooLarge: Error, Hashable, Sendable, CustomStringConvertible {
        package let limit: Int
        package var description: String { "an event of the stream is larger than \(limit) bytes" }
    }

    /// What a reconnect sends as `Last-Event-ID`; `nil` or empty: nothing to resume from.
    package private(set) var lastEventID: String?
    /// The latest reconnection time that the stream asked for, in milliseconds.
    package private(set) var retry: Int?

    private let limit: Int
    private var line: [UInt8] = []
    private var data: [UInt8]?
    private var type: String?
    private var pendingID: String?
    private var eventRetry: Int?
    private var isFirstLine = true
    private var endedWithCR = false
    private var hasFailed = false
    private let overLimit: OverLimit
    /// Of the event that is being left out.
    private var skim: EnvelopeSkim?
    private var leftOut: [EnvelopeSkim] = []

    package init(limit: Int = SSEParser.eventBytesMax, overLimit: OverLimit = .fails) {
        self.limit = limit
        self.overLimit = overLimit
    }

    /// The events left out since this was last asked for.
    package mutating func takeLeftOut() -> [EnvelopeSkim] {
        defer { leftOut = [] }
        return leftOut
    }

    /// - Returns: the events that these bytes complete, in order.
    /// - Complexity: O(*n*) in the bytes, plus those of an event that is still open.
    package mutating func push(_ bytes: some Sequence<UInt8>) throws(TooLarge) -> [SSEEvent] {
        guard !hasFailed else { throw TooLarge(limit: limit) }
        let chunk = Array(bytes)
        var events: [SSEEvent] = []
        var start = 0
        if endedWithCR, let first = chunk.first {
            endedWithCR = false
            if first == 0x0A { start = 1 }
        }
        while let end = chunk[start...].firstIndex(where: { $0 == 0x0A || $0 == 0x0D }) {
            try extend(with: chunk[start..<end])
            finishLine(into: &events)
            start = end + 1
            guard chunk[end] == 0x0D else { continue }
            if start == chunk.count {
                endedWithCR = true
            } else if chunk[start] == 0x0A {
                start += 1
            }
        }
        try extend(with: chunk[start...])
        return events
    }

    // MARK: -

    private mutating func extend(with part: ArraySlice<UInt8>) throws(TooLarge) {
        if skim != nil {
            // Only whether the line is empty counts from here on.
            if line.isEmpty, let first = part.first { line = [first] }
            skim?.take(part)
            return
        }
        guard line.count + (data?.count ?? 0) + part.count <= limit else {
            guard overLimit == .fails else {
                var skim = EnvelopeSkim()
                skim.take(data ?? [])
                skim.take(line)
                skim.take(part)
                self.skim = skim
                line = [UInt8(ascii: ":")]
                data = nil
                return
            }
            hasFailed = true
            line = []
            data = nil
            throw TooLarge(limit: limit)
        }
        line.append(contentsOf: part)
    }

    private mutating func finishLine(into events: inout [SSEEvent]) {
        if isFirstLine {
            isFirstLine = false
            if line.starts(with: [0xEF, 0xBB, 0xBF]) { line.removeFirst(3) }
        }
        defer { line.removeAll(keepingCapacity: line.count < 64 * 1024) }
        guard !line.isEmpty else {
            dispatch(into: &events)
            return
        }
        guard skim == nil else { return }
        let colon = line.firstIndex(of: UInt8(ascii: ":")) ?? line.endIndex
        var value = line[min(colon + 1, line.endIndex)...]
        if value.first == 0x20 { value = value.dropFirst() }
        switch String(decoding: line[..<colon], as: UTF8.self) {
        case "data":
            if data == nil {
                data = Array(value)
            } else {
                data?.append(0x0A)
                data?.append(contentsOf: value)
            }
        case "event": type = String(decoding: value, as: UTF8.self)
        case "id" where !value.contains(0): pendingID = String(decoding: value, as: UTF8.self)
        case "retry":
            let digits = UInt8(ascii: "0")...UInt8(ascii: "9")
            guard value.allSatisfy(digits.contains), let time = Int(String(decoding: value, as: UTF8.self))
            else { return }
            retry = time
            eventRetry = time
        default: break  // a comment (empty name) or a field that the standard does not know
        }
    }

    private mutating func dispatch(into events: inout [SSEEvent]) {
        if let skim {
            leftOut.append(skim)
            self.skim = nil
        }
        if let pendingID { lastEventID = pendingID }
        pendingID = nil
        if let data {
            let type = type.flatMap { $0.isEmpty ? nil : $0 }
            events.append(SSEEvent(type: type, data: data, id: lastEventID, retry: eventRetry))
        }
        data = nil
        type = nil
        eventRetry = nil
    }
}

package import JSONSlice
package import MCPModel

/// What travels in a call's data frames, both ways.
package enum CallRecord: Sendable {
    /// Numbers on the wire, for good.
    package enum Kind: UInt8, Hashable, Sendable, CaseIterable {
        case params = 1
        case notification = 2
        case result = 3
        case error = 4
        case failure = 5
        /// Since version 2.
        case standing = 6
    }

    /// Entry node to owner, first and once: the params, to the byte.
    case params(JSON)
    /// Owner to entry node: progress or a log message.
    case notification(method: String, params: JSON)
    /// Owner to entry node; one of these three is the last record.
    case result(JSON)
    case error(JSON)
    case failure(CallFailure)
    /// Owner to entry node, first on a stream that asks, unless the call is done.
    case standing(CallStanding)

    private static let methodMax = 128
    private static let sentenceMax = 4 * 1024
    private static let nodeMax = 64
    /// Each end holds its own clients and servers to its own limit of nesting; a record is taken at any of them.
    private static let jsonLimits: JSONLimits = {
        var limits = JSONLimits()
        limits.depthMax = 512
        limits.bytesMax = RecordAssembler.recordMax
        return limits
    }()

    package var kind: Kind {
        switch self {
        case .params: .params
        case .notification: .notification
        case .result: .result
        case .error: .error
        case .failure: .failure
        case .standing: .standing
        }
    }

    /// Whether the stream's sender is done after it.
    package var isFinal: Bool {
        switch self {
        case .result, .error, .failure: true
        case .params, .notification, .standing: false
        }
    }

    package init(_ event: CallEvent) {
        self =
            switch event {
            case .notification(let method, let params): .notification(method: method, params: params)
            case .result(let result): .result(result)
            case .error(let error): .error(error)
            case .failure(let failure): .failure(failure)
            }
    }

    /// What the caller's sink hears; `nil` for ``params(_:)``, which goes the other way, and ``standing(_:)``, which is
    /// for the entry node itself.
    package var event: CallEvent? {
        switch self {
        case .params, .standing: nil
        case .notification(let method, let params): .notification(method: method, params: params)
        case .result(let result): .result(result)
        case .error(let error): .error(error)
        case .failure(let failure): .failure(failure)
        }
    }

    /// The record's bytes: JSON as it is, the others in canonical form.
    package var payload: [UInt8] {
        switch self {
        case .params(let json), .result(let json), .error(let json): return Array(json.bytes)
        case .notification(let method, let params):
            var encoder = CanonicalEncoder(reserving: params.bytes.count + 64)
            encoder.put(text: method)
            encoder.put(fixed: params.bytes)
            return encoder.bytes
        case .failure(let failure):
            var encoder = CanonicalEncoder()
            encoder.put(text: failure.reason.rawValue)
            // What a backend says may be part of a detail, at any length.
            encoder.put(text: failure.detail.cut(toBytes: Self.sentenceMax))
            for (text, max) in [(failure.hint, Self.sentenceMax), (failure.node, Self.nodeMax)] {
                encoder.put(text != nil)
                if let text { encoder.put(text: text.cut(toBytes: max)) }
            }
            encoder.put(failure.callID != nil)
            if let id = failure.callID {
                encoder.put(id.high)
                encoder.put(id.low)
            }
            encoder.put(failure.isUnsent)
            // Only where there is one: who does not know of it never hears of it otherwise.
            if let wait = failure.retryAfter {
                encoder.put(UInt32(clamping: Int(wait / .milliseconds(1))))
            }
            return encoder.bytes
        case .standing(let standing): return [standing.rawValue]
        }
    }

    package init(kind: UInt8, payload: [UInt8]) throws(WireError) {
        guard let kind = Kind(rawValue: kind) else { throw .invalid("record kind \(kind)") }
        switch kind {
        case .params: self = .params(try Self.json(payload[...]))
        case .result: self = .result(try Self.json(payload[...]))
        case .error: self = .error(try Self.json(payload[...]))
        case .notification:
            var decoder = CanonicalDecoder(payload[...])
            let method = try decoder.text(max: Self.methodMax, "method")
            self = .notification(method: method, params: try Self.json(decoder.rest()))
        case .failure: self = .failure(try Self.failure(payload))
        case .standing:
            guard payload.count == 1, let standing = CallStanding(rawValue: payload[0]) else {
                throw .invalid("standing of a call")
            }
            self = .standing(standing)
        }
    }

    private static func json(_ bytes: ArraySlice<UInt8>) throws(WireError) -> JSON {
        guard let json = try? JSON(validating: bytes, limits: jsonLimits) else {
            throw .invalid("the record's JSON")
        }
        return json
    }

    private static func failure(_ payload: [UInt8]) throws(WireError) -> CallFailure {
        var decoder = CanonicalDecoder(payload[...])
        guard let reason = Reason(rawValue: try decoder.text(max: nodeMax, "reason")) else {
            throw .invalid("reason")
        }
        let detail = try decoder.text(max: sentenceMax, "detail")
        let hint = try decoder.bool("hint") ? try decoder.text(max: sentenceMax, "hint") : nil
        let node = try decoder.bool("node") ? try decoder.text(max: nodeMax, "node") : nil
        let call =
            try decoder.bool("call id")
            ? CallID(high: try decoder.uint64("call id"), low: try decoder.uint64("call id")) : nil
        let isUnsent = try decoder.bool("unsent")
        let wait = decoder.bytesLeft > 0 ? Duration.milliseconds(try decoder.uint32("time to wait")) : nil
        try decoder.finish()
        return CallFailure(
            reason, detail, hint: hint, node: node, callID: call, isUnsent: isUnsent, retryAfter: wait)
    }
}

/// Puts one stream's records together again from its chunks.
package struct RecordAssembler: Sendable {
    /// Largest record; what a call's params or result may weigh.
    package static let recordMax = 64 * 1024 * 1024

    private let max: Int
    private var kind: UInt8?
    private var bytes: [UInt8] = []

    package init(max: Int = Self.recordMax) { self.max = max }

    /// Whether what comes next is the beginning of a record.
    package var isFresh: Bool { kind == nil }

    /// The same of a chunk that may be a whole record, as most are: it is not copied then.
    ///
    /// - Returns: the record that this chunk completes, if it completes one.
    package mutating func take(
        kind: UInt8, isLast: Bool, _ chunk: [UInt8]
    ) throws(WireError) -> CallRecord? {
        guard isLast, self.kind == nil, chunk.count <= max else {
            return try take(kind: kind, isLast: isLast, chunk[...])
        }
        return try CallRecord(kind: kind, payload: chunk)
    }

    /// - Returns: the record that this chunk completes, if it completes one.
    package mutating func take(
        kind: UInt8, isLast: Bool, _ chunk: some Collection<UInt8>
    ) throws(WireError) -> CallRecord? {
        if let begun = self.kind, begun != kind { throw .invalid("record kind \(kind) inside kind \(begun)") }
        guard bytes.count + chunk.count <= max else { throw .tooLong("record", max: max) }
        self.kind = kind
        bytes.append(contentsOf: chunk)
        guard isLast else { return nil }
        defer {
            self.kind = nil
            bytes = []
        }
        return try CallRecord(kind: kind, payload: bytes)
    }
}

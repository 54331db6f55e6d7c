package import JSONSlice

/// Names one call for good, on every node it crosses: 128 random bits, spelled as 32 hex digits.
package struct CallID: Hashable, Sendable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    package init(using random: inout some RandomNumberGenerator) {
        self.init(high: random.next(), low: random.next())
    }

    package var description: String {
        String(unsafeUninitializedCapacity: 32) { text in
            for place in 0..<32 {
                let word = place < 16 ? high : low
                let digit = UInt8(truncatingIfNeeded: word >> (60 - 4 * UInt64(place & 15))) & 15
                text[place] = digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10
            }
            return 32
        }
    }
}

/// What the client of a call declared and wants, in the terms of 2026-07-28; each front fills it from its own era.
package struct ClientFacts: Hashable, Sendable {
    /// The client's capabilities object, as it sent it.
    package var capabilities: JSON
    /// Its `clientInfo`, as it sent it; shown, never decided on.
    package var info: JSON?
    /// `debug` … `emergency`; `nil`: no log messages for this call.
    package var logLevel: String?
    /// Whether progress notifications are wanted. (Tokens are each connection's own affair.)
    package var wantsProgress: Bool
    /// W3C trace context, if the client sent one.
    package var traceparent: String?
    /// The era the client speaks itself: a server that speaks both may serve it better in its own (decision 17).
    package var era: Era

    package init(
        capabilities: JSON = .emptyObject, info: JSON? = nil, logLevel: String? = nil,
        wantsProgress: Bool = false, traceparent: String? = nil, era: Era = .modern
    ) {
        self.capabilities = capabilities
        self.info = info
        self.logLevel = logLevel
        self.wantsProgress = wantsProgress
        self.traceparent = traceparent
        self.era = era
    }
}

/// One request on its way to a backend, free of any era and any connection.
///
/// `params` are the client's, to the byte, except that names and URIs are already the backend's own and
/// `_meta` has lost the members that belong to a connection (version, capabilities, progress token …): each
/// back puts its own in.
package struct CallRequest: Sendable {
    package var id: CallID
    /// `tools/call`, `resources/read`, `prompts/get`, `completion/complete` …
    package var method: String
    package var params: JSON
    package var client: ClientFacts
    /// Who asks: what a server keeps for one caller in the middle of a call is not shown to another.
    package var caller: Caller
    /// How long the caller still waits for the final answer.
    package var timeLeft: Duration

    package init(
        id: CallID, method: String, params: JSON, client: ClientFacts, caller: Caller, timeLeft: Duration
    ) {
        self.id = id
        self.method = method
        self.params = params
        self.client = client
        self.caller = caller
        self.timeLeft = timeLeft
    }
}

/// What comes back of a call: any number of notifications, then exactly one of the others.
package enum CallEvent: Sendable {
    /// `notifications/progress`, `notifications/message` or one that no revision knows, with its params; a progress
    /// token in them means nothing.
    case notification(method: String, params: JSON)
    /// The result object, in the shape of 2026-07-28 (`resultType` present).
    case result(JSON)
    /// A backend's own JSON-RPC error object, to the byte.
    case error(JSON)
    /// The gateway's own word.
    case failure(CallFailure)

    package var isFinal: Bool {
        if case .notification = self { false } else { true }
    }
}

/// Takes the events of one call, from whatever thread they come on; nothing after the final one.
package typealias CallSink = @Sendable (CallEvent) -> Void

/// The caller's hold on a call that runs.
package struct CallHandle: Sendable {
    /// The caller has gone, or wants no answer any more. May be called at any time, more than once, from anywhere.
    package let cancel: @Sendable () -> Void

    package init(cancel: @escaping @Sendable () -> Void) { self.cancel = cancel }

    /// Of a call that was over before it began.
    package static let finished = CallHandle(cancel: {})
}

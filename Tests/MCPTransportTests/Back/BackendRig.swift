import JSONSlice
import Logging
import MCPModel
import MartletTestKit
import NIOCore
import Synchronization
import Testing

@testable import MCPTransport

/// A backend under supervision, and what it tells.
final class BackendRig: Sendable {
    let backend: Backend
    private let told: AsyncStream<BackendEvent>

    private init(_ backend: Backend, _ told: AsyncStream<BackendEvent>) {
        self.backend = backend
        self.told = told
    }

    static var limits: BackendLimits {
        var limits = BackendLimits()
        limits.backoffMin = .milliseconds(20)
        limits.backoffMax = .milliseconds(50)
        limits.changeWindow = .milliseconds(5)
        limits.relistMin = .milliseconds(5)
        limits.closeGrace = .milliseconds(300)
        limits.terminateGrace = .milliseconds(300)
        return limits
    }

    static func with(
        _ target: BackendTarget, limits: BackendLimits = limits, secrets: [String: String] = [:],
        tokens: TokenSource? = nil, formers: FormerSecrets = .none, seal: StateSeal? = nil,
        memory: TaskMemory = .none, _ body: (BackendRig) async throws -> Void
    ) async throws {
        let open = { @Sendable (name: String) in
            guard let value = secrets[name] else { throw NoSecret(name: name) }
            return value
        }
        try await with(
            target, limits: limits, secret: open, tokens: tokens, formers: formers, seal: seal,
            memory: memory, body)
    }

    static func with(
        _ target: BackendTarget, limits: BackendLimits = limits,
        secret: @escaping @Sendable (String) throws -> String, tokens: TokenSource? = nil,
        formers: FormerSecrets = .none,
        seal: StateSeal? = nil,
        memory: TaskMemory = .none, _ body: (BackendRig) async throws -> Void
    ) async throws {
        let (stream, continuation) = AsyncStream.makeStream(of: BackendEvent.self)
        let backend = Backend(
            name: "b", target: target, limits: limits, group: FrontRig.loops, http: FrontRig.client,
            tokens: tokens, secrets: { Array(try secret($0).utf8) }, formers: formers, seal: seal,
            memory: memory,
            log: FrontRig.log,
            chance: { 0.5 },
            events: { continuation.yield($0) })
        let rig = BackendRig(backend, stream)
        try await withThrowingTaskGroup { group in
            group.addTask { await backend.run() }
            defer { group.cancelAll() }
            try await body(rig)
        }
    }

    struct NoSecret: Error { let name: String }

    /// The next listing; states and lines on the way are passed over.
    func listing() async throws -> BackendListing {
        for await event in told { if case .listed(let listing) = event { return listing } }
        throw Ended()
    }

    /// The reason of the next time that it is in that state.
    func reason(_ wanted: BackendState) async throws -> String {
        for await event in told {
            if case .state(wanted, let reason) = event { return reason }
        }
        throw Ended()
    }

    /// The first line that the child wrote with this in it.
    func line(containing text: String) async throws -> String {
        var found: String?
        try await eventually("the child says \(text)", within: .seconds(40), every: .milliseconds(2)) {
            let lines = backend.recentLines
            found = lines.first { $0.contains(text) }
            guard found != nil else { throw TestRefusal("it said \(lines)") }
            return true
        }
        return try #require(found)
    }

    /// The next state, whichever it is.
    func state() async throws -> (BackendState, reason: String) {
        for await event in told { if case .state(let state, let reason) = event { return (state, reason) } }
        throw Ended()
    }

    struct Ended: Error {}

    struct Outcome: Sendable {
        var notifications: [JSON] = []
        var result: JSON?
        var error: JSON?
        var failure: CallFailure?
        var text: String? { result?["content"]?[0]?["text"]?.string }
    }

    static func request(
        _ method: String, _ params: JSON, client: ClientFacts = ClientFacts(),
        caller: Caller = .anonymous, timeLeft: Duration = .seconds(20)
    ) -> CallRequest {
        CallRequest(
            id: CallID(high: 1, low: 2), method: method, params: params, client: client, caller: caller,
            timeLeft: timeLeft)
    }

    func call(
        _ method: String, _ params: JSON, client: ClientFacts = ClientFacts(), caller: Caller = .anonymous,
        timeLeft: Duration = .seconds(20)
    ) async -> Outcome {
        let gathered = Mutex(Outcome())
        return await withCheckedContinuation { continuation in
            _ = backend.call(
                Self.request(method, params, client: client, caller: caller, timeLeft: timeLeft)
            ) { event in
                let outcome = gathered.withLock { outcome in
                    switch event {
                    case .notification(let method, let params):
                        outcome.notifications.append(["method": .string(method), "params": params])
                    case .result(let result): outcome.result = result
                    case .error(let error): outcome.error = error
                    case .failure(let failure): outcome.failure = failure
                    }
                    return outcome
                }
                if event.isFinal { continuation.resume(returning: outcome) }
            }
        }
    }

    func tool(_ name: String, _ arguments: JSON = [:], client: ClientFacts = ClientFacts()) async -> Outcome {
        await call("tools/call", ["name": .string(name), "arguments": arguments], client: client)
    }
}

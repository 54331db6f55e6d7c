import Catalog
import JSONSlice
import MCPModel
import Policy
import Storage
import Synchronization
import Vault

/// Knows the callers' API keys, and carries out what ``ListenerPolicy`` decides about who may speak at the MCP listener.
///
/// The request path decides on a copy in memory; making, listing and revoking go through the database and then
/// replace the copy, so a revoked key is refused from the next request on.
final class CallerDoor: Sendable {
    /// Keys at most; each request looks one up by digest, so the number costs memory only.
    static let keysMax = 10_000

    /// A key with what it is good for, read once.
    private struct KnownKey {
        var stored: StoredCallerKey
        let scopes: CallerKeyScopes
        let use = KeyUse()

        init(_ stored: StoredCallerKey) {
            self.stored = stored
            scopes = CallerKeyScopes(stored: stored.scopes)
        }
    }

    /// When a key was last used, if it was since that was last written down.
    private final class KeyUse: Sendable {
        private let milliseconds = Atomic<Int64>(0)

        func note(_ time: WallTime) { milliseconds.store(time.milliseconds, ordering: .relaxed) }

        var last: WallTime? {
            let milliseconds = milliseconds.load(ordering: .relaxed)
            return milliseconds == 0 ? nil : WallTime(milliseconds: milliseconds)
        }

        func take() -> WallTime? {
            let milliseconds = milliseconds.exchange(0, ordering: .relaxed)
            return milliseconds == 0 ? nil : WallTime(milliseconds: milliseconds)
        }
    }

    private struct State {
        var keys: [CredentialDigest: KnownKey]
        /// Names of keys that are on their way to the disk.
        var coming: Set<String> = []
        var policy: ListenerPolicy
    }

    private let shelf: CallerKeyShelf
    private let ring: CallerKeyRing
    private let adminToken: String
    private let state: Mutex<State>
    /// Grows with every key that comes or goes, and when callers begin to need one.
    private let changes = Atomic<UInt64>(0)

    /// - Parameter hasOtherDoors: whether others are let in by other credentials; then nobody comes in without one.
    init(shelf: CallerKeyShelf, adminToken: String, hasOtherDoors: Bool = false) async throws {
        self.shelf = shelf
        self.adminToken = adminToken
        ring = try await shelf.ring()
        let keys = try await shelf.all()
        let needsKey = try await shelf.isKeyNeeded() || hasOtherDoors
        state = Mutex(
            State(
                keys: Dictionary(
                    keys.map { ($0.digest, KnownKey($0)) }, uniquingKeysWith: { first, _ in first }),
                policy: ListenerPolicy(needsKey: needsKey)))
    }

    /// The rules as they stand, for whoever asks what they say of something else than a request.
    var policy: ListenerPolicy { state.withLock { $0.policy } }
    /// Whether every caller needs a key: from the first that is made on.
    var needsKey: Bool { policy.needsKey }
    /// Callers need a key from now on, whether one was made or not.
    func needKey() {
        state.withLock { $0.policy.keyWasMade() }
        changes.add(1, ordering: .releasing)
    }

    // MARK: The request path

    /// Decides about what a request shows, as far as keys are concerned.
    func decide(_ presented: PresentedCredential, from origin: CallOrigin) -> Decision {
        let now = WallTime.now()
        return switch presented {
        case .none: policy.decide(.none, from: origin, at: now.milliseconds)
        case .otherScheme, .basic: policy.decide(.otherScheme, from: origin, at: now.milliseconds)
        case .bearer(let text) where constantTimeEqual(Array(text.utf8), Array(adminToken.utf8)):
            policy.decide(.adminToken, from: origin, at: now.milliseconds)
        case .bearer(let text): decide(onKey: ring.digest(of: text), from: origin, at: now)
        }
    }

    /// Decides about what another door has found out.
    func decide(_ credential: Credential, from origin: CallOrigin) -> Decision {
        policy.decide(credential, from: origin, at: WallTime.now().milliseconds)
    }

    /// - Parameter digest: `nil` of what this node cannot have made.
    private func decide(
        onKey digest: CredentialDigest?, from origin: CallOrigin, at now: WallTime
    ) -> Decision {
        guard let digest else { return policy.decide(.notAKey, from: origin, at: now.milliseconds) }
        return state.withLock { state in
            let key = state.keys[digest]
            let credential =
                key.map {
                    Credential.key(
                        label: $0.stored.label, expires: $0.stored.expires?.milliseconds,
                        narrowing: $0.scopes.narrowing)
                } ?? .unknownKey
            let decision = state.policy.decide(credential, from: origin, at: now.milliseconds)
            if case .allowed = decision, let key { key.use.note(now) }
            return decision
        }
    }

    /// Whether a credential is still as good as now, as a question for each later request that shows it; that use of a key is noted.
    /// `nil`: it is none that lets anybody in, or of another kind.
    func lasting(_ presented: PresentedCredential, from origin: CallOrigin) -> (@Sendable () -> Bool)? {
        let version = changes.load(ordering: .acquiring)
        guard case .allowed = decide(presented, from: origin) else { return nil }
        switch presented {
        case .none: return { [self] in changes.load(ordering: .acquiring) == version }
        case .otherScheme, .basic: return nil
        case .bearer(let text):
            guard let digest = ring.digest(of: text), let key = state.withLock({ $0.keys[digest] }) else {
                return nil
            }
            let (use, expires) = (key.use, key.stored.expires)
            return { [self] in
                let now = WallTime.now()
                guard changes.load(ordering: .acquiring) == version,
                    expires.map({ now.milliseconds < $0.milliseconds }) ?? true
                else { return false }
                use.note(now)
                return true
            }
        }
    }

    /// What a caller's key was made for; `nil`: everything, or it is no key of ours.
    ///
    /// - Complexity: O(keys); for questions about callers, not for their requests.
    func narrowing(of caller: Caller) -> CredentialNarrowing? {
        guard caller.issuer == ListenerPolicy.keyIssuer else { return nil }
        return state.withLock { state in
            state.keys.values.first { $0.stored.label == caller.subject }?.scopes.narrowing
        }
    }

    // MARK: The admin surface

    func create(name: String, lifeSeconds: Int?, scopes: CallerKeyScopes? = nil) async throws -> JSON {
        try reserve(name)
        defer { state.withLock { _ = $0.coming.remove(name) } }
        var random = SystemRandomNumberGenerator()
        let made = ring.make(using: &random)
        let now = WallTime.now()
        let stored = StoredCallerKey(
            id: made.id, label: name, digest: made.digest, scopes: (scopes?.json ?? .emptyObject).text,
            created: now,
            expires: lifeSeconds.map { now.advanced(by: .seconds($0)) })
        try await shelf.add(stored)
        state.withLock { state in
            state.keys[stored.digest] = KnownKey(stored)
            state.policy.keyWasMade()
        }
        changes.add(1, ordering: .releasing)
        return .object([("token", .string(made.text)), ("id", .string(made.id)), ("name", .string(name))])
    }

    /// Sets a name aside, so that of two requests at once only one gets it.
    private func reserve(_ name: String) throws(Refusal) {
        let refusal: Refusal? = state.withLock { state in
            if state.keys.count + state.coming.count >= Self.keysMax {
                return Refusal(
                    .conflict, "there are already \(Self.keysMax) keys",
                    hint: "revoke some: `martlet token list`")
            }
            if state.coming.contains(name) || state.keys.values.contains(where: { $0.stored.label == name }) {
                return Refusal(
                    .conflict, "a key named \(name) exists", hint: "revoke it first, or choose another name")
            }
            state.coming.insert(name)
            return nil
        }
        if let refusal { throw refusal }
    }

    func list() -> JSON {
        let now = WallTime.now()
        let keys = state.withLock { $0.keys.values.sorted { $0.stored.created < $1.stored.created } }
        return .object([
            (
                "tokens",
                .array(
                    keys.map { known in
                        let key = known.stored
                        var members: [(String, JSON)] = [
                            ("id", .string(key.id)), ("name", .string(key.label)),
                            ("ageSeconds", .number(key.created.seconds(until: now))),
                        ]
                        if !known.scopes.isWhole { members.append(("scopes", known.scopes.json)) }
                        if let expires = key.expires {
                            members.append(("expiresInSeconds", .number(now.seconds(until: expires))))
                        }
                        if let used = known.use.last ?? key.lastUsed {
                            members.append(("lastUsedSeconds", .number(used.seconds(until: now))))
                        }
                        return .object(members)
                    })
            ),
            ("needsKey", .bool(needsKey)),
        ])
    }

    /// - Parameter key: its id or its name.
    func revoke(_ key: String) async throws -> JSON {
        guard
            let found = state.withLock({
                $0.keys.values.map(\.stored).first { $0.id == key || $0.label == key }
            })
        else {
            throw Refusal(.notFound, "no key \(key)", hint: "`martlet token list` shows ids and names")
        }
        // Refused from here on, whatever the disk says; a failure below is told to the person.
        state.withLock { $0.keys[found.digest] = nil }
        changes.add(1, ordering: .releasing)
        _ = try await shelf.remove(id: found.id)
        return .object([("revoked", .string(found.id))])
    }

    /// Writes down when keys were last used; called now and then, and at the end.
    func flushUses() async throws { try await shelf.noteUses(takeUses()) }

    /// The same when the node ends, in a task that is cancelled already.
    func flushUsesAtEnd() throws { try shelf.noteUsesAtEnd(takeUses()) }

    private func takeUses() -> [String: WallTime] {
        state.withLock { state in
            var uses: [String: WallTime] = [:]
            for (digest, known) in state.keys {
                guard let used = known.use.take() else { continue }
                let key = known.stored
                uses[key.id] = used
                state.keys[digest]?.stored = StoredCallerKey(
                    id: key.id, label: key.label, digest: key.digest, scopes: key.scopes,
                    created: key.created, expires: key.expires, lastUsed: used)
            }
            return uses
        }
    }
}

extension WallTime {
    /// Whole seconds from here to there; negative when it lies before.
    func seconds(until other: WallTime) -> Int { Int((other.milliseconds - milliseconds) / 1000) }
}

/// The way to a token: find out who gives tokens for a resource, ask it how it wants to be asked, ask.
///
/// A state machine without a socket: ``next()`` says what to fetch, ``take(_:)`` hears what came of it. The order is that of MCP's
/// authorization specification: a challenge's `resource_metadata`, the resource's own well-known place, its origin's; then the
/// issuer's places (RFC 8414, OpenID Connect). What is found has to name the resource that was asked for and the issuer that a person
/// named, or the errand ends: a resource has no say in who is sent a credential.
package struct GrantErrand: Sendable {
    package enum Step: Sendable {
        case fetch(GrantFetch)
        /// To be completed with the credential (``TokenOrder/request(with:id:at:)``) and fetched.
        case order(TokenOrder)
        case over(Result<AccessToken, GrantTrouble>)
    }

    /// What was found out, good for further tokens.
    package struct Discovery: Hashable, Sendable {
        package let server: AuthorizationServer
        let resource: String
        let scopes: [String]
    }

    private enum State: Sendable {
        case knocking
        case resource(left: [(url: String, isWhole: Bool)])
        case server(left: [String])
        case ordering
        case over(Result<AccessToken, GrantTrouble>)
    }

    private let settings: GrantSettings
    private var challenge: ResourceChallenge?
    private var metadata: ResourceMetadata?
    private var state: State
    /// Once it is known.
    package private(set) var discovery: Discovery?

    /// - Parameters:
    ///   - challenge: what the resource said when it refused a request; `nil`: it is asked.
    ///   - known: what an earlier errand found out.
    package init(_ settings: GrantSettings, challenge: ResourceChallenge?, knowing known: Discovery? = nil) {
        self.settings = settings
        self.challenge = challenge
        discovery = known
        state = known == nil ? .knocking : .ordering
        if known == nil, challenge != nil { state = Self.resourceState(settings, challenge) }
    }

    /// What to do now.
    package func next() -> Step {
        switch state {
        case .knocking:
            // A request that does nothing, to be refused and told where to go.
            return .fetch(
                GrantFetch(
                    url: settings.resource.canonical, way: .backend, method: "GET",
                    headers: [("Accept", "text/event-stream")], wants: .head))
        case .resource(let left):
            guard let place = left.first else {
                return .over(.failure(.notMetadata(settings.resource.canonical)))
            }
            return .fetch(metadataFetch(place.url))
        case .server(let left):
            guard let place = left.first else { return .over(.failure(.notMetadata(settings.issuer ?? ""))) }
            return .fetch(metadataFetch(place))
        case .ordering:
            guard let discovery else { return .over(.failure(.issuerNotChosen(offered: []))) }
            return .order(
                TokenOrder(
                    settings: settings, server: discovery.server, resource: discovery.resource,
                    scopes: discovery.scopes))
        case .over(let result): return .over(result)
        }
    }

    /// Takes what came of the last step.
    package mutating func take(_ answer: Result<GrantAnswer, GrantTrouble>) {
        do throws(GrantTrouble) {
            switch state {
            case .knocking: try knocked(answer.get())
            case .resource(let left): try tookResource(answer, left)
            case .server(let left): try tookServer(answer, left)
            case .ordering:
                let url = discovery?.server.tokenURL ?? ""
                state = .over(.success(try AccessToken.read(answer.get(), at: url)))
            case .over: break
            }
        } catch {
            state = .over(.failure(error))
        }
    }

    // MARK: -

    private mutating func knocked(_ answer: GrantAnswer) throws(GrantTrouble) {
        if answer.status == 401 { challenge = ResourceChallenge(headers: answer.challenges) }
        state = Self.resourceState(settings, challenge)
    }

    private static func resourceState(_ settings: GrantSettings, _ challenge: ResourceChallenge?) -> State {
        guard let named = challenge?.metadata else {
            return .resource(left: ResourceMetadata.places(of: settings.resource))
        }
        guard let place = WebAddress(named) else {
            return .over(.failure(.notAnAddress("resource_metadata")))
        }
        // What is read there decides nothing that the configuration has not said, but it must be the resource's own word.
        guard place.keepsSecrets || place.origin == settings.resource.origin else {
            return .over(.failure(.insecure(named)))
        }
        let root = settings.resource.origin + "/.well-known/" + ResourceMetadata.wellKnownName
        return .resource(left: [(named, place.canonical == root)])
    }

    private mutating func tookResource(
        _ answer: Result<GrantAnswer, GrantTrouble>, _ left: [(url: String, isWhole: Bool)]
    ) throws(GrantTrouble) {
        guard let place = left.first else { return }
        if let document = try Self.document(answer.get(), "the server's metadata") {
            metadata = try ResourceMetadata.read(
                document, at: place.url, of: settings.resource, isWhole: place.isWhole)
        }
        if metadata == nil, left.count > 1 {
            state = .resource(left: Array(left.dropFirst()))
            return
        }
        guard let issuer = settings.issuer else {
            throw .issuerNotChosen(offered: metadata?.issuers ?? [])
        }
        if let metadata, !metadata.issuers.isEmpty, !metadata.names(issuer) {
            throw .otherIssuer(configured: issuer, offered: metadata.issuers)
        }
        guard let address = WebAddress(issuer) else { throw .notAnAddress("the issuer") }
        guard address.keepsSecrets else { throw .insecure(issuer) }
        state = .server(left: AuthorizationServer.places(of: address))
    }

    private mutating func tookServer(
        _ answer: Result<GrantAnswer, GrantTrouble>, _ left: [String]
    ) throws(GrantTrouble) {
        guard let place = left.first, let issuer = settings.issuer else { return }
        var server: AuthorizationServer?
        if let document = try Self.document(answer.get(), "the authorization server's metadata") {
            server = try AuthorizationServer.read(document, at: place, of: issuer)
        }
        guard let server else {
            guard left.count > 1 else { throw .noServerMetadata(issuer: issuer) }
            state = .server(left: Array(left.dropFirst()))
            return
        }
        discovery = Discovery(
            server: server, resource: metadata?.resource ?? settings.resource.canonical, scopes: scopes)
        state = .ordering
    }

    /// What a person said, else what the resource asked for, else what it can do with (MCP, scope selection).
    private var scopes: [String] {
        if !settings.scopes.isEmpty { return settings.scopes }
        if let asked = challenge?.scopes, !asked.isEmpty { return asked }
        return metadata?.scopes ?? []
    }

    /// - Returns: `nil` where there is none.
    private static func document(_ answer: GrantAnswer, _ what: String) throws(GrantTrouble) -> [UInt8]? {
        switch answer.status {
        case 200: return answer.body
        case 429, 500...: throw .busy(what: what, status: answer.status)
        // A redirect is not followed: what it leads to is nobody's word.
        default: return nil
        }
    }

    private func metadataFetch(_ url: String) -> GrantFetch {
        GrantFetch(
            url: url, way: .to(url, of: settings.resource), method: "GET",
            headers: [("Accept", "application/json")], wants: .whole)
    }
}

/// One request of an errand.
package struct GrantFetch: Hashable, Sendable {
    package enum Way: Hashable, Sendable {
        /// To the backend's own origin, by the connection that calls take.
        case backend
        /// To wherever an address leads that was found or named; each address is asked about first.
        case open

        static func to(_ url: String, of resource: WebAddress) -> Way {
            WebAddress(url)?.origin == resource.origin ? .backend : .open
        }
    }

    package enum Wanted: Hashable, Sendable {
        case head
        case whole
    }

    package let url: String
    package let way: Way
    package let method: String
    package let headers: [(String, String)]
    package let body: [UInt8]
    package let wants: Wanted

    init(
        url: String, way: Way, method: String, headers: [(String, String)], body: [UInt8] = [], wants: Wanted
    ) {
        self.url = url
        self.way = way
        self.method = method
        self.headers = headers
        self.body = body
        self.wants = wants
    }

    package static func == (a: Self, b: Self) -> Bool {
        a.url == b.url && a.way == b.way && a.method == b.method && a.body == b.body && a.wants == b.wants
            && a.headers.elementsEqual(b.headers) { $0 == $1 }
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(url)
        hasher.combine(method)
    }
}

/// What a request of an errand brought.
package struct GrantAnswer: Hashable, Sendable {
    package var status: Int
    /// The fields `WWW-Authenticate`, in order.
    package var challenges: [String]
    package var body: [UInt8]

    package init(status: Int, challenges: [String] = [], body: [UInt8] = []) {
        self.status = status
        self.challenges = challenges
        self.body = body
    }
}

import Logging
import MCPTransport
import Policy
import Storage
import Synchronization
import Tokens
import Vault

/// What each backend over HTTP is reached by: the node's one client, or one of its own where it has an authority or a certificate of its
/// own; and where its tokens come from.
struct BackendClients: Sendable {
    /// For all backends that want nothing special.
    let shared: HTTPClient
    private let limits: HTTPClientLimits
    private let auth: AuthSettings
    private let watch: AddressWatch
    private let places: BackendPlaces
    private let patience: GrantPatience
    private let log: Logger

    init(
        auth: AuthSettings, limits: HTTPClientLimits, patience: GrantPatience = .standard, log: Logger
    ) {
        self.patience = patience
        let places = BackendPlaces(FetchGuard(allowed: auth.fetchAllowed))
        self.places = places
        watch = AddressWatch { places.objection(to: $0) }
        shared = HTTPClient(group: EventLoops.shared, limits: limits, watch: watch)
        self.limits = limits
        self.auth = auth
        self.log = log
    }

    /// - Parameter secrets: opens secrets that are bound to this server.
    func client(
        for definition: ServerDefinition, secrets: @escaping @Sendable (String) throws -> [UInt8],
        formers: FormerSecrets = .none
    ) -> (http: HTTPClient, isOwn: Bool) {
        guard let tls = definition.tls else { return (shared, false) }
        let log = log
        let identity = ClientIdentity(tls.source, secrets: secrets, formers: formers) {
            [name = definition.name] trouble in
            log.warning(
                "TLS files of a server cannot be used; what was in use, if anything, stays.",
                metadata: ["mcp.server": "\(name)", "error": "\(trouble)"])
        }
        return (
            HTTPClient(group: EventLoops.shared, limits: limits, identity: identity, watch: watch), true
        )
    }

    /// - Returns: `nil` where a server takes no tokens that would have to be fetched.
    func tokens(
        for definition: ServerDefinition, by http: HTTPClient,
        secrets: @escaping @Sendable (String) throws -> [UInt8], formers: FormerSecrets = .none
    ) -> TokenSource? {
        guard case .clientCredentials(let client)? = definition.auth, let url = definition.url,
            let resource = WebAddress(url)
        else { return nil }
        let named = client.issuer.flatMap { WebAddress($0) }
        let wire = HTTPClient(
            group: EventLoops.shared, limits: limits, additionalRoots: auth.fetchRoots,
            watch: AddressWatch { objection(to: $0, named: named) })
        return GrantKeeper(
            server: definition.name.text, settings: client.grant(for: resource), backend: http, wire: wire,
            credential: { try secrets(client.secret.text) }, former: { try formers.open(client.secret.text) },
            patience: patience, log: log
        ).source
    }

    /// Why not to go there for a token; `nil`: go.
    ///
    /// - Parameter named: the authorization server that a person named. It may be where backends may be, with the same memory of names
    ///   that have led outside; nobody else may.
    func objection(to question: AddressWatch.Question, named: WebAddress?) -> String? {
        let isNamed =
            named.map { $0.host.trimmingBrackets == question.host && $0.port == question.port } ?? false
        return isNamed
            ? places.objection(to: question)
            : FetchGuard(allowed: auth.fetchAllowed).objection(to: question, by: .found)
    }
}

/// Where backends are and have been, for all connections to them.
private final class BackendPlaces: Sendable {
    private let state: Mutex<BackendGuard>

    init(_ fetch: FetchGuard) { state = Mutex(BackendGuard(fetch)) }

    func objection(to question: AddressWatch.Question) -> String? {
        guard let address = IPAddress(bytes: question.bytes) else { return nil }
        return state.withLock {
            $0.objection(to: address, host: question.host, setting: AuthSettings.fetchAllowPath)?.text
        }
    }
}

extension FetchGuard {
    /// Why not to connect there, with what would allow it; `nil`: connect.
    func objection(to question: AddressWatch.Question, by word: Word) -> String? {
        guard let address = IPAddress(bytes: question.bytes) else {
            return "\(question.host) leads to no IP address"
        }
        return objection(
            to: address, host: question.host, setting: AuthSettings.fetchAllowPath, by: word)?.text
    }
}

extension ServerDefinition.TLS {
    var source: ClientIdentity.Source {
        let key: ClientIdentity.Source.Key? =
            switch self.key {
            case .file(let path)?: .file(path)
            case .secret(let name)?: .secret(name.text)
            case nil: nil
            }
        return ClientIdentity.Source(authority: authority, certificate: certificate, key: key)
    }
}

extension ServerDefinition.ClientCredentials {
    func grant(for resource: WebAddress) -> GrantSettings {
        let proof: GrantSettings.Proof =
            switch self.proof {
            case .secret: .secret
            case .key(_, let id): .key(id: id)
            }
        return GrantSettings(
            resource: resource, issuer: issuer, clientID: clientID, proof: proof, scopes: scopes)
    }
}

extension String {
    /// An IPv6 address without its brackets.
    fileprivate var trimmingBrackets: String {
        hasPrefix("[") && hasSuffix("]") ? String(dropFirst().dropLast()) : self
    }
}

package import Catalog
package import Policy

/// One MCP server that this node fronts, as configured: in the `mcpServers` shape of desktop clients, and ours.
package struct ServerDefinition: Hashable, Sendable {
    package enum Transport: Hashable, Sendable {
        /// A child process.
        case stdio(command: String, arguments: [String], environment: [NamedText], directory: String?)
        case http(url: String, headers: [NamedText], kind: HTTPKind)
    }

    package enum HTTPKind: String, Hashable, Sendable, CaseIterable {
        /// Streamable HTTP, of 2025-03-26 and later; older servers are recognised.
        case streamable = "http"
        /// HTTP with SSE, of 2024-11-05, by declaration.
        case sse
    }

    /// An environment variable or a header; the value may hold `${secret:NAME}`.
    package struct NamedText: Hashable, Sendable {
        package var name: String
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// A credential for a server over HTTP; names of secrets in the vault, never values.
    package enum Auth: Hashable, Sendable {
        /// `Authorization: Bearer …`
        case bearer(secret: Label)
        /// `Authorization: Basic …` (RFC 7617); the secret is the password.
        case basic(user: String, secret: Label)
        case header(name: String, secret: Label)
        /// A parameter of every request's query.
        case query(name: String, secret: Label)
        /// A token of an authorization server, made for this node (RFC 6749 §4.4).
        case clientCredentials(ClientCredentials)

        package var secret: Label {
            switch self {
            case .bearer(let secret), .basic(_, let secret), .header(_, let secret), .query(_, let secret):
                secret
            case .clientCredentials(let client): client.secret
            }
        }
    }

    /// How this node proves to an authorization server who it is.
    package struct ClientCredentials: Hashable, Sendable {
        package static let idLengthMax = 512
        package static let issuerLengthMax = 512

        package enum Proof: Hashable, Sendable {
            case secret(Label)
            /// A private key in PEM, and its name at the authorization server.
            case key(Label, id: String?)
        }

        package var clientID: String
        package var proof: Proof
        /// The only one that is shown the credential, as it spells itself; `nil`: nobody is.
        package var issuer: String?
        /// Empty: what the server says it needs.
        package var scopes: [String]

        package init(clientID: String, proof: Proof, issuer: String?, scopes: [String] = []) {
            self.clientID = clientID
            self.proof = proof
            self.issuer = issuer
            self.scopes = scopes
        }

        package var secret: Label {
            switch proof {
            case .secret(let name), .key(let name, _): name
            }
        }
    }

    /// Whom this node believes that it talks to a server over HTTPS, and what it shows of itself.
    package struct TLS: Hashable, Sendable {
        package enum Key: Hashable, Sendable {
            case file(String)
            case secret(Label)
        }

        /// The path of a PEM file with the only authorities that are believed; `nil`: the system's.
        package var authority: String?
        /// The path of a PEM file: the certificate, then those that lead to its root.
        package var certificate: String?
        package var key: Key?

        package init(authority: String? = nil, certificate: String? = nil, key: Key? = nil) {
            self.authority = authority
            self.certificate = certificate
            self.key = key
        }
    }

    /// Which other nodes may know of it.
    package enum Export: Hashable, Sendable {
        case everyone
        case nobody
        case only([Scope])
    }

    package enum Scope: Hashable, Sendable, CustomStringConvertible {
        case segment(Label)
        case node(Label)

        package init?(_ text: String) {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let label = Label(parts[1]) else { return nil }
            switch parts[0] {
            case "segment": self = .segment(label)
            case "node": self = .node(label)
            default: return nil
            }
        }

        package var description: String {
            switch self {
            case .segment(let label): "segment:\(label)"
            case .node(let label): "node:\(label)"
            }
        }
    }

    /// What holds for all tools whose name fits a pattern (`servers.NAME.tools`).
    package struct ToolRule: Hashable, Sendable {
        package var pattern: Glob
        /// Whether a call may be sent again when nobody knows whether it ran.
        package var isRepeatable: Bool
        package var audit: AuditDemand

        package init(_ pattern: Glob, isRepeatable: Bool, audit: AuditDemand = .buffered) {
            self.pattern = pattern
            self.isRepeatable = isRepeatable
            self.audit = audit
        }
    }

    /// Who needs longer should tell of progress; `limits.call` bounds what that is worth.
    package static let timeoutRange = Duration.seconds(1)...Duration.seconds(600)
    package static let concurrencyDefault = 16
    package static let concurrencyRange = 1...1_024
    package static let instancesDefault = 1
    /// Each is a process.
    package static let instancesRange = 1...16

    package var name: Label
    package var transport: Transport
    package var auth: Auth?
    package var tls: TLS?
    package var title: String?
    package var tags: [String]
    /// How long one call may be without an answer and without progress; `nil`: `limits.response`.
    package var timeout: Duration?
    /// Calls at once; more are refused as `limited`.
    package var concurrency: Int
    /// Children that take turns where calls may ask their callers.
    package var instances: Int
    package var export: Export
    /// Entry nodes whose word on who calls counts here; `nil`: of all that have the role.
    package var callersFrom: [Scope]?
    package var isEnabled: Bool
    /// Who approves what it offers.
    package var approve: ApprovalPolicy
    /// In the order written.
    package var tools: [ToolRule]
    /// Of all that is called, read and fetched at it.
    package var audit: AuditDemand
    /// Whatever found server this is to be; until one is found it has no URL.
    package var accept: AcceptRule?
    /// Servers of other nodes that front the same backend, if these say the same of this one.
    package var replicaOf: [ReplicaName]
    /// The service that mDNS showed when it was accepted.
    package var service: String?
    /// The host that announced it then, as it said.
    package var serviceHost: String?

    package init(
        name: Label, transport: Transport, auth: Auth? = nil, tls: TLS? = nil, title: String? = nil,
        tags: [String] = [],
        timeout: Duration? = nil, concurrency: Int = concurrencyDefault, instances: Int = instancesDefault,
        export: Export = .everyone, callersFrom: [Scope]? = nil, isEnabled: Bool = true,
        tools: [ToolRule] = [], accept: AcceptRule? = nil,
        replicaOf: [ReplicaName] = [], service: String? = nil, serviceHost: String? = nil,
        approve: ApprovalPolicy = .standard, audit: AuditDemand = .buffered
    ) {
        self.audit = audit
        self.approve = approve
        self.name = name
        self.transport = transport
        self.auth = auth
        self.tls = tls
        self.title = title
        self.tags = tags
        self.timeout = timeout
        self.concurrency = concurrency
        self.instances = instances
        self.export = export
        self.callersFrom = callersFrom
        self.isEnabled = isEnabled
        self.tools = tools
        self.accept = accept
        self.replicaOf = replicaOf
        self.service = service
        self.serviceHost = serviceHost
    }

    /// Which of its calls need a record on stable storage first.
    var demands: RecordDemands {
        RecordDemands(
            everything: audit == .required, tools: tools.filter { $0.audit == .required }.map(\.pattern))
    }

    /// A relative `cwd`, and relative paths of TLS files, are taken from a folder, whatever folder the node itself runs in.
    mutating func takeFolder(from folder: String) {
        tls?.takeFolder(from: folder)
        guard case .stdio(let command, let arguments, let environment, let directory?) = transport,
            !directory.hasPrefix("/")
        else { return }
        transport = .stdio(
            command: command, arguments: arguments, environment: environment,
            directory: "\(folder)/\(directory)")
    }

    /// Of a server over HTTP that has one.
    package var url: String? {
        guard case .http(let url, _, _) = transport, !url.isEmpty else { return nil }
        return url
    }

    /// Whether it waits for a server to be found.
    var isAwaited: Bool { accept != nil && url == nil }

    mutating func move(to url: String) {
        guard case .http(_, let headers, let kind) = transport else { return }
        transport = .http(url: url, headers: headers, kind: kind)
    }

    /// The secrets it needs, each once, sorted.
    package var secrets: [Label] {
        let texts: [NamedText] =
            switch transport {
            case .stdio(_, _, let environment, _): environment
            case .http(_, let headers, _): headers
            }
        let named = texts.flatMap { (try? SecretReference.names(in: $0.value).get()) ?? [] }
        var own = auth.map { [$0.secret] } ?? []
        if case .secret(let name)? = tls?.key { own.append(name) }
        return Set(named + own).sorted()
    }
}

package import Catalog
package import Composition
package import JSONSlice
import Policy

/// The way in, from a file or storage, and the normal form; the name stands outside, as the key of a map.
extension ServerDefinition {
    static let argumentsMax = 256
    static let variablesMax = 256
    static let tagsMax = 32
    static let scopesMax = 64
    static let toolRulesMax = 256
    /// What a server's document has room for.
    static let replicasMax = 8

    /// - Returns: `nil` when there is no telling how to reach the server; the section then has a problem.
    package init?(name: Label, reading section: inout ConfigSection) {
        let transport = Transport(reading: &section)
        let auth = section.section("auth") { Auth(reading: &$0) } ?? nil
        let tls = section.section("tls") { TLS(reading: &$0) } ?? nil
        title = section.text("title")
        tags = section.list("tags", of: "a word without spaces, at most 64 characters", atMost: Self.tagsMax)
        {
            (1...64).contains($0.count) && !$0.contains(where: \.isWhitespace) ? $0 : nil
        }
        let timeout = section.duration("timeout", default: .zero, in: Self.timeoutRange)
        self.timeout = timeout == .zero ? nil : timeout
        concurrency = section.integer(
            "concurrency", default: Self.concurrencyDefault, in: Self.concurrencyRange)
        instances = section.integer("instances", default: Self.instancesDefault, in: Self.instancesRange)
        export = Export(reading: &section)
        let callersFrom = section.list(
            "callersFrom", of: "segment:NAME or node:NAME", atMost: Self.scopesMax
        ) { Scope($0) }
        self.callersFrom = section.has("callersFrom") ? callersFrom : nil
        isEnabled = section.flag("enabled", default: true)
        tools = section.sections("tools", atMost: Self.toolRulesMax) { pattern, part in
            part.later("readOnly")
            return ToolRule(
                Glob(pattern), isRepeatable: part.flag("repeatable", default: false),
                audit: part.choice("audit", default: .buffered))
        }
        accept = section.section("accept") { AcceptRule(reading: &$0) } ?? nil
        service = section.text("service")
        serviceHost = section.text("serviceHost")
        approve = section.choice("approve", default: .standard)
        audit = section.choice("audit", default: .buffered)
        if case .string? = section.value("replicaOf")?.kind {
            replicaOf =
                section.parsed("replicaOf", expecting: "NODE/SERVER") { ReplicaName($0) }.map { [$0] } ?? []
        } else {
            replicaOf = section.list("replicaOf", of: "NODE/SERVER", atMost: Self.replicasMax) {
                ReplicaName($0)
            }
        }
        for key in ["openapi", "repeatable", "access"] {
            section.later(key)
        }

        guard let transport else { return nil }
        switch transport {
        case .stdio where section.has("auth"):
            section.report(
                "auth",
                "is for a server with url; give a command its credential as env: {NAME: \"${secret:NAME}\"}")
        case .stdio where section.has("tls"):
            section.report("tls", "is for a server with url")
        case .http(let url, let headers, _):
            if tls != nil, !url.isEmpty, !url.lowercased().hasPrefix("https://") {
                section.report("tls", "goes with an https:// url")
            }
            if case .query(let name, _)? = auth, HTTPQuery.names(in: url).contains(name) {
                section.report(
                    "auth", "sets the query parameter \(name), which url sets too; leave one of them out")
            }
            let own = auth?.headerName?.lowercased()
            for header in headers where header.name.lowercased() == own {
                section.report(
                    "auth", "sets the header \(header.name), which headers sets too; leave one of them out")
            }
        case .stdio: break
        }
        self.name = name
        self.transport = transport
        self.auth = auth
        self.tls = tls
        if section.has("replicaOf") {
            if case .stdio = transport {
                section.report("replicaOf", "is for a server with url; two children are two backends")
            } else if let url, let host = Self.loopbackHost(of: url) {
                section.report(
                    "replicaOf",
                    "\(host) is another host on every node; give the address that both reach it at")
            }
        }
        if section.has("accept"), section.has("tls") {
            section.report(
                "tls",
                "goes with no accept: whoever announces what fits would be shown it; accept the server by hand"
            )
        } else if section.has("accept"), section.has("headers") {
            section.report(
                "headers",
                "go with no accept: whoever announces what fits would be sent them, credentials among them; accept the server by hand (`martlet servers accept`)"
            )
        } else if section.has("accept"), !secrets.isEmpty {
            section.report(
                "accept",
                "goes with no secret: whoever announces what fits would be given it; accept the server by hand (`martlet servers accept`)"
            )
        }
    }

    package init(name: Label, json: JSON) throws(ConfigProblems) {
        let (value, problems) = ConfigSection.read(json) { ServerDefinition(name: name, reading: &$0) }
        guard problems.isEmpty, let value else { throw ConfigProblems(problems) }
        self = value
    }

    /// One spelling for one definition: members in a fixed order, nothing that says the default.
    package var json: JSON {
        var members: [(String, JSON)] = []
        switch transport {
        case .stdio(let command, let arguments, let environment, let directory):
            members.append(("command", .string(command)))
            if !arguments.isEmpty { members.append(("args", .array(arguments.map { .string($0) }))) }
            if !environment.isEmpty { members.append(("env", Self.map(environment))) }
            if let directory { members.append(("cwd", .string(directory))) }
        case .http(let url, let headers, let kind):
            if kind != .streamable { members.append(("type", .string(kind.rawValue))) }
            if accept == nil { members.append(("url", .string(url))) }
            if !headers.isEmpty { members.append(("headers", Self.map(headers))) }
        }
        if let auth { members.append(("auth", auth.json)) }
        if let tls { members.append(("tls", tls.json)) }
        if let title { members.append(("title", .string(title))) }
        if !tags.isEmpty { members.append(("tags", .array(tags.map { .string($0) }))) }
        if let timeout {
            members.append(("timeout", .string(DurationText.spell(timeout))))
        }
        if concurrency != Self.concurrencyDefault { members.append(("concurrency", .number(concurrency))) }
        if instances != Self.instancesDefault { members.append(("instances", .number(instances))) }
        switch export {
        case .everyone: break
        case .nobody: members.append(("export", false))
        case .only(let scopes): members.append(("to", .array(scopes.map { .string($0.description) })))
        }
        if let callersFrom {
            members.append(("callersFrom", .array(callersFrom.map { .string($0.description) })))
        }
        if approve != .standard { members.append(("approve", .string(approve.rawValue))) }
        if audit != .buffered { members.append(("audit", .string(audit.rawValue))) }
        if !isEnabled { members.append(("enabled", false)) }
        if !tools.isEmpty {
            members.append(
                (
                    "tools",
                    .object(
                        tools.map { rule in
                            var said: [(String, JSON)] = []
                            if rule.isRepeatable { said.append(("repeatable", true)) }
                            if rule.audit != .buffered {
                                said.append(("audit", .string(rule.audit.rawValue)))
                            }
                            return (rule.pattern.pattern, .object(said))
                        })
                ))
        }
        if let accept { members.append(("accept", accept.json)) }
        if !replicaOf.isEmpty {
            members.append(("replicaOf", .array(replicaOf.map { .string($0.description) })))
        }
        if let service { members.append(("service", .string(service))) }
        if let serviceHost { members.append(("serviceHost", .string(serviceHost))) }
        return .object(members)
    }

    /// - Returns: the host of a URL that leads nowhere but to the machine that reads it; `nil` for others.
    private static func loopbackHost(of url: String) -> String? {
        guard let scheme = url.firstRange(of: "://") else { return nil }
        let authority = url[scheme.upperBound...].prefix { !"/?#".contains($0) }.lowercased()
        let host =
            authority.hasPrefix("[")
            ? String(authority.dropFirst().prefix { $0 != "]" }) : String(authority.prefix { $0 != ":" })
        return host == "localhost" || host == "::1" || host.hasPrefix("127.") ? host : nil
    }

    private static func map(_ texts: [NamedText]) -> JSON {
        .object(texts.map { ($0.name, .string($0.value)) })
    }
}

extension ServerDefinition.Transport {
    fileprivate init?(reading section: inout ConfigSection) {
        let command = section.parsed("command", expecting: "a program") {
            $0.isEmpty || $0.contains("\0") ? nil : $0
        }
        let arguments = section.texts("args", atMost: ServerDefinition.argumentsMax)
        let environment = section.namedTexts("env", Self.variableProblem)
        let directory = section.text("cwd")
        let url = section.text("url")
        let headers = section.namedTexts("headers", Self.headerProblem)
        let type = section.parsed("type", expecting: "one of stdio, http, sse") { TransportType($0) }

        for (index, argument) in arguments.enumerated() where argument.contains("${secret:") {
            section.report(
                at: section.path.key("args").index(index),
                "a secret must not stand in arguments, which every user of the machine can read; give it as env"
            )
        }
        switch (section.has("command"), section.has("url")) {
        case (_, true) where section.has("accept"), (true, _) where section.has("accept"):
            section.report(
                "accept", "takes a server that mDNS shows, so it goes with neither url nor command")
            return nil
        case (false, false) where section.has("accept"):
            section.reportMisfits(["args", "env", "cwd"], with: "command")
            self = .http(url: "", headers: headers, kind: type == .sse ? .sse : .streamable)
        case (false, false):
            if !section.has("openapi") {
                section.report(
                    "needs command (a program) or url (a server over HTTP)")
            }
            return nil
        case (true, true):
            section.report("gives command and url; a server is one or the other")
            return nil
        case (true, false):
            section.reportMisfits(["headers"], with: "url")
            if let type, type != .stdio { section.report("type", "\(type.rawValue) needs url, not command") }
            guard let command else { return nil }
            self = .stdio(
                command: command, arguments: arguments, environment: environment, directory: directory)
        case (false, true):
            section.reportMisfits(["args", "env", "cwd"], with: "command")
            if type == .stdio { section.report("type", "stdio needs command, not url") }
            guard let url else { return nil }
            if let problem = BackendURL.problem(url) { section.report("url", problem) }
            self = .http(url: url, headers: headers, kind: type == .sse ? .sse : .streamable)
        }
    }

    private static func variableProblem(_ name: String) -> String? {
        name.isEmpty || name.contains("=") || name.contains("\0")
            ? "is no name of an environment variable" : nil
    }

    /// Headers of the connection and of MCP, which the gateway itself must get right.
    private static let ownHeaders: Set<String> = [
        "host", "connection", "content-length", "content-type", "transfer-encoding", "accept", "te",
        "upgrade",
        "trailer", "mcp-session-id", "mcp-protocol-version", "mcp-method", "mcp-name", "last-event-id",
    ]

    static func headerProblem(_ name: String) -> String? {
        if !HeaderName.isToken(name) { return "is no name of a header" }
        return ownHeaders.contains(name.lowercased()) ? "is set by Martlet itself; leave it out" : nil
    }
}

/// The words for `type` that clients use.
private enum TransportType: String {
    case stdio
    case http
    case sse

    init?(_ word: String) {
        switch word.lowercased() {
        case "stdio": self = .stdio
        case "http", "streamable-http", "streamablehttp", "streamable_http": self = .http
        case "sse": self = .sse
        default: return nil
        }
    }
}

enum HeaderName {
    /// RFC 9110 §5.6.2.
    static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || "!#$%&'*+-.^_`|~".utf8.contains(byte)
            }
    }
}

extension ServerDefinition.Export {
    fileprivate init(reading section: inout ConfigSection) {
        let isExported = section.flag("export", default: true)
        let scopes = section.list(
            "to", of: "segment:NAME or node:NAME", atMost: ServerDefinition.scopesMax
        ) { ServerDefinition.Scope($0) }
        if !isExported, section.has("to") {
            section.report(
                "to", "says where the server may be known, and export: false that it may not be at all")
        }
        self = !isExported ? .nobody : section.has("to") ? .only(scopes) : .everyone
    }
}

extension ConfigSection {
    /// Names and values of `env` or `headers`, each checked.
    fileprivate mutating func namedTexts(
        _ key: String, _ nameProblem: (String) -> String?
    ) -> [ServerDefinition.NamedText] {
        textMap(key, atMost: ServerDefinition.variablesMax).map { name, value in
            let place = path.key(key).key(name)
            if let problem = nameProblem(name) { report(at: place, problem) }
            if value.utf8.contains(where: { $0 == 0 || $0 == 0x0A || $0 == 0x0D }),
                key == "headers" || value.contains("\0")
            {
                report(at: place, "contains a line break or a zero byte")
            }
            if case .failure(let problem) = SecretReference.names(in: value) {
                report(at: place, problem.description)
            }
            return ServerDefinition.NamedText(name, value)
        }
    }

    mutating func secret(_ key: String) -> Label? {
        required(key) { Label($0) }
    }

    mutating func required(_ key: String) -> String? {
        required(key) { $0.isEmpty ? nil : $0 }
    }

    private mutating func required<Value>(_ key: String, _ parse: (String) -> Value?) -> Value? {
        let expectation = Value.self == Label.self ? Self.labelForm : "text"
        if !has(key) { report(key, "is missing") }
        return parsed(key, expecting: expectation, parse)
    }

    fileprivate mutating func reportMisfits(_ keys: [String], with partner: String) {
        for key in keys where has(key) { report(key, "goes with \(partner)") }
    }
}

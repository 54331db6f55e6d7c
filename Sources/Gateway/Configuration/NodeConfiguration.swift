package import Catalog
package import Composition
import JSONSlice
package import Policy

/// What one configuration file says, as plain values. What it leaves out is at its default;
/// defaults that depend on the machine are `nil`.
package struct NodeConfiguration: Hashable, Sendable {
    package static let serversMax = 1_000
    package static let virtualServersMax = 256

    package var node: NodeSettings
    package var listen: ListenSettings
    /// `names.max`
    package var nameLengthMax: Int
    package var mesh: MeshSettings
    package var limits: LimitSettings
    package var search: SearchSettings
    package var auth: AuthSettings
    package var access: AccessRules
    package var audit: AuditSettings
    package var vault: VaultSettings
    /// In the order written.
    package var servers: [ServerDefinition]
    /// In the order written.
    package var virtualServers: [NamedVirtualServer]

    /// What holds without any file.
    package static let standard: NodeConfiguration = {
        var section = ConfigSection(.emptyObject)
        return NodeConfiguration(reading: &section)
    }()

    package init(reading section: inout ConfigSection) {
        node = section.settings("node", NodeSettings.init(reading:))
        listen = section.settings("listen", ListenSettings.init(reading:))
        nameLengthMax = section.settings("names") {
            $0.integer("max", default: EntryNaming.lengthMaxDefault, in: EntryNaming.lengthRange)
        }
        mesh = section.settings("mesh", MeshSettings.init(reading:))
        limits = section.settings("limits", LimitSettings.init(reading:))
        search = section.settings("search", SearchSettings.init(reading:))
        auth = section.settings("auth", AuthSettings.init(reading:))
        access = section.settings("access", AccessRules.init(reading:))
        audit = section.settings("audit", AuditSettings.init(reading:))
        vault = section.settings("vault", VaultSettings.init(reading:))
        servers = section.sections("servers", atMost: Self.serversMax) { name, part in
            part.labelled(name) { ServerDefinition(name: $0, reading: &$1) }
        }.compactMap { $0 }
        virtualServers = NamedVirtualServer.read(from: &section)
        for key in ["guardrails", "telemetry"] { section.later(key) }
        reportSharedNames(to: &section)
        reportDemands(to: &section)
    }

    /// Takes relative folders of servers from the one that the file lies in.
    package mutating func takeFolders(from folder: String) {
        for index in servers.indices { servers[index].takeFolder(from: folder) }
    }

    /// What wants a record first would never run where none is written.
    private func reportDemands(to section: inout ConfigSection) {
        guard !audit.isOn else { return }
        let names =
            servers.filter { !$0.demands.isEmpty }.map { "servers.\($0.name)" }
            + access.rules.filter(\.isRecordRequired).map { "rule \($0.name)" }
        guard let first = names.first else { return }
        section.report(
            at: section.path.key("audit").key("records"),
            "off, and \(first) wants a record before a call: none of its calls would run")
    }

    /// Real and virtual servers answer under one path, `/servers/NAME/mcp`.
    private func reportSharedNames(to section: inout ConfigSection) {
        let names = Set(servers.map(\.name))
        for virtual in virtualServers where names.contains(virtual.name) {
            section.report(
                at: section.path.key("virtualServers").key(virtual.name.text),
                "there is a server of this name under servers; both would answer at /servers/\(virtual.name)/mcp"
            )
        }
    }
}

package struct NodeSettings: Hashable, Sendable {
    /// `nil`: the host's name, made to fit.
    package var name: Label?
    /// `nil`: what the token said, or `default`.
    package var segment: Label?
    /// `nil`: `$XDG_STATE_HOME/martlet`.
    package var data: String?

    package init(reading section: inout ConfigSection) {
        name = section.label("name")
        segment = section.label("segment")
        data = section.text("data")
    }
}

package struct ListenSettings: Hashable, Sendable {
    package var mcp: HostPort
    /// Over TLS, if at all.
    package var mcpTLS: TLSSettings?
    package var admin: HostPort
    package var adminTLS: TLSSettings?
    /// `nil`: the node only dials out.
    package var mesh: HostPort?
    /// Names by which clients reach the HTTP listeners, besides their addresses and `localhost`, and whole origins of
    /// pages that may call them; a request for any other is refused, so that a page in a browser cannot reach the
    /// node by DNS rebinding.
    package var hosts: [String]

    package static let hostsMax = 64
    package static let mcpDefault = HostPort(host: "127.0.0.1", port: 7330)
    package static let adminDefault = HostPort(host: "127.0.0.1", port: 7331)
    package static let meshDefault = HostPort(host: "0.0.0.0", port: 7332)

    package init(reading section: inout ConfigSection) {
        (mcp, mcpTLS) = Self.listener("mcp", default: Self.mcpDefault, in: &section)
        (admin, adminTLS) = Self.listener("admin", default: Self.adminDefault, in: &section)
        if adminTLS?.clientCA != nil {
            section.report(
                "admin", "tls.clientCA goes with listen.mcp only: the admin surface wants its token")
        }
        let mesh = section.parsed("mesh", expecting: "none or \(HostPort.form)") { text -> Door? in
            text == "none" ? .closed : HostPort(text).map(Door.at)
        }
        self.mesh = (mesh ?? .at(Self.meshDefault)).address
        hosts = section.list(
            "hosts", of: "a host name, HOST:PORT, or an origin such as https://app.example.net",
            atMost: Self.hostsMax
        ) { Self.isHost($0) ? $0 : nil }
    }

    /// An address, or a map of an address and what it takes to speak TLS there.
    private static func listener(
        _ key: String, default fallback: HostPort, in section: inout ConfigSection
    ) -> (HostPort, TLSSettings?) {
        guard section.value(key)?.kind == .object else {
            return (section.address(key, default: fallback), nil)
        }
        return section.section(key) { part in
            let address = part.address("address", default: fallback)
            return (address, part.section("tls") { TLSSettings(reading: &$0) } ?? nil)
        } ?? (fallback, nil)
    }

    /// What `HostPolicy` of the listeners understands.
    private static func isHost(_ text: String) -> Bool {
        guard let mark = text.firstRange(of: "://") else {
            return HostPort("\(text):0") != nil || HostPort(text).map { $0.port != 0 } ?? false
        }
        let (scheme, rest) = (text[..<mark.lowerBound], text[mark.upperBound...])
        return scheme.first?.isLetter == true
            && HeaderName.isToken(String(scheme))
            && !rest.isEmpty && rest.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }
    }

    private enum Door {
        case closed
        case at(HostPort)

        var address: HostPort? { if case .at(let address) = self { address } else { nil } }
    }
}

/// The files of a listener that speaks TLS; read anew when they change.
package struct TLSSettings: Hashable, Sendable {
    /// PEM: the certificate, then those that lead to its root.
    package var certificate: String
    /// PEM, without a passphrase.
    package var key: String
    /// PEM: whose clients' certificates are believed.
    package var clientCA: String?

    /// - Returns: `nil` when something is missing; the section then has a problem.
    package init?(reading section: inout ConfigSection) {
        let certificate = section.required("certificate")
        let key = section.required("key")
        clientCA = section.text("clientCA")
        guard let certificate, let key else { return nil }
        (self.certificate, self.key) = (certificate, key)
    }

    var json: JSON {
        var members: [(String, JSON)] = [("certificate", .string(certificate)), ("key", .string(key))]
        if let clientCA { members.append(("clientCA", .string(clientCA))) }
        return .object(members)
    }
}

package struct MeshSettings: Hashable, Sendable {
    package static let seedsMax = 64
    package static let addressesMax = 16
    package static let globsMax = 256

    package enum Seed: Hashable, Sendable, CustomStringConvertible {
        case address(HostPort)
        /// SRV records of this name (RFC 2782).
        case service(String)

        package static let form = "HOST:PORT or dns+srv://NAME"
        private static let scheme = "dns+srv://"

        package init?(_ text: String) {
            if text.hasPrefix(Self.scheme) {
                let name = text.dropFirst(Self.scheme.count)
                guard name.contains("."), HostPort("\(name):0") != nil else { return nil }
                self = .service(String(name))
            } else {
                guard let address = HostPort(text), address.port != 0 else { return nil }
                self = .address(address)
            }
        }

        package var description: String {
            switch self {
            case .address(let address): address.description
            case .service(let name): Self.scheme + name
            }
        }
    }

    package enum MulticastDNS: String, Hashable, Sendable, CaseIterable {
        /// Used where there is a daemon for it.
        case auto
        case off
        /// Without it the node does not start.
        case required
    }

    package var seeds: [Seed]
    package var mdns: MulticastDNS
    /// `join.tokenFile`: waited for and retried.
    package var joinTokenFile: String?
    /// Empty: the addresses of the listener's interfaces.
    package var advertise: [HostPort]
    /// Whether circuits of others may cross this node.
    package var relay: Bool
    /// Names of servers that other nodes may know of.
    package var export: [Glob]

    package init(reading section: inout ConfigSection) {
        seeds = section.list("seeds", of: Seed.form, atMost: Self.seedsMax) { Seed($0) }
        mdns = section.choice("mdns", default: .auto)
        joinTokenFile =
            section.section("join") { part in
                if !part.has("tokenFile") {
                    part.report("tokenFile", "is missing: the file that holds the join token")
                }
                return part.text("tokenFile")
            } ?? nil
        advertise = section.list("advertise", of: HostPort.form, atMost: Self.addressesMax) { HostPort($0) }
        relay = section.flag("relay", default: true)
        let names = section.list("export", of: "a pattern", atMost: Self.globsMax) { Glob($0) }
        export = section.has("export") ? names : [Glob("*")]
    }

    /// Whether other nodes may know of a server, by this setting alone.
    package func exports(_ server: Label) -> Bool { export.contains { $0.matches(server.text) } }
}

/// A virtual server with its name.
package struct NamedVirtualServer: Hashable, Sendable {
    package var name: Label
    package var definition: VirtualServerDefinition

    package init(name: Label, definition: VirtualServerDefinition) {
        self.name = name
        self.definition = definition
    }

    /// All under `virtualServers`.
    package static func read(from section: inout ConfigSection) -> [NamedVirtualServer] {
        section.sections("virtualServers", atMost: NodeConfiguration.virtualServersMax) { name, part in
            part.labelled(name) {
                NamedVirtualServer(name: $0, definition: VirtualServerDefinition(reading: &$1))
            }
        }.compactMap { $0 }
    }
}

extension ConfigSection {
    /// A section all of whose settings have defaults: absent is empty.
    fileprivate mutating func settings<Value>(
        _ key: String, _ read: (inout ConfigSection) -> Value
    ) -> Value {
        if let value = section(key, read) { return value }
        var empty = ConfigSection(.emptyObject, at: path.key(key))
        return read(&empty)
    }

    /// Reads what is called by the key of this section. What is called wrongly is read nevertheless, under the
    /// nearest name, so that its own mistakes are told too.
    fileprivate mutating func labelled<Value>(
        _ name: String, _ read: (Label, inout ConfigSection) -> Value?
    ) -> Value? {
        if let label = Label(name) { return read(label, &self) }
        let nearest = Label(fitting: name)
        let advice = nearest.map { "; \"\($0)\" would do" } ?? ""
        report("\"\(name)\" is not \(Self.labelForm)\(advice)")
        guard let nearest else {
            leaveUnread()
            return nil
        }
        _ = read(nearest, &self)
        return nil
    }
}

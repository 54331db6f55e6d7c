import Logging
package import MCPTransport
import Policy

/// Where clients and commands come in: the listeners, their certificates, and who may stand before them.
extension Node {
    /// Where MCP clients of this machine connect, `host:port`, with the real port.
    package var mcpAddress: String { listener.address.local.description }
    var mcpListening: (host: String, port: Int) { (listener.address.host, listener.address.port) }
    /// Where the MCP listener listens, if that is on every address.
    var mcpBound: String? { listener.address.local == listener.address ? nil : listener.address.description }
    /// By which clients reach it.
    package var mcpURL: String {
        settings.configuration.auth.url ?? "\(mcpTLS == nil ? "http" : "https")://\(mcpAddress)"
    }
    /// The file of the certificate that the MCP listener shows; `nil`: plain HTTP.
    package var mcpCertificate: String? { settings.configuration.listen.mcpTLS?.certificate }
    /// The same of the admin surface.
    package var adminCertificate: String? { settings.configuration.listen.adminTLS?.certificate }

    /// Certificates and keys of issuers that lie in files, when those have changed.
    func refreshDoorFiles() {
        tokenDoor?.refreshFiles()
        for (name, tls) in [("mcp", mcpTLS), ("admin", adminTLS)] {
            switch tls?.refresh() {
            case .renewed?: log.notice("A listener has a new certificate.", metadata: ["listener": "\(name)"])
            case .failed(let trouble)?:
                log.error(
                    "A listener's new certificate cannot be used; the former one stays.",
                    metadata: ["listener": "\(name)", "error": "\(trouble)"])
            case .none?, nil: break
            }
        }
    }

    static func tls(_ settings: TLSSettings?, of listener: String) throws(Refusal) -> ListenerTLS? {
        guard let settings else { return nil }
        do throws(ListenerTLS.Trouble) {
            return try ListenerTLS(
                ListenerTLS.Files(
                    certificate: settings.certificate, key: settings.key, clientCA: settings.clientCA))
        } catch {
            throw Refusal(
                .invalid, "listen.\(listener).tls: \(error)",
                hint: "it wants PEM files that this user may read")
        }
    }

    static func checkDoor(_ door: CallerDoor, settings: LaunchSettings) throws(Refusal) {
        let address = settings.configuration.listen.mcp
        let isLoopback = ListenAddress(host: address.host, port: address.port).isLoopback
        if let denial = door.policy.objection(
            toListeningOn: "\(address)", port: address.port, isLoopback: isLoopback)
        {
            throw Refusal(.forbidden, denial.detail, hint: denial.hint)
        }
    }

    /// Binds the admin surface where the configuration wants it.
    package func bindAdmin(_ handler: @escaping @Sendable (HTTPExchange) -> Void) async throws -> HTTPListener
    {
        let listen = settings.configuration.listen
        let listener = try await Self.bind(
            listen.admin, as: "admin", hosts: listen.hosts, tls: adminTLS, log: log, handler: handler)
        admin.withLock { $0 = listener.address.local.description }
        return listener
    }

    /// Where the admin surface answers commands of this machine, once it does.
    var adminAddress: String? { admin.withLock { $0 } }

    static func bind(
        _ address: HostPort, as what: String, hosts: [String], limits: HTTPLimits = .standard,
        tls: ListenerTLS? = nil, log: Logger,
        handler: @escaping @Sendable (HTTPExchange) -> Void
    ) async throws -> HTTPListener {
        do {
            var limits = limits
            limits.connectionsMax = min(
                limits.connectionsMax, DescriptorShares(of: .now).connections(ofListener: what))
            return try await HTTPListener.bind(
                ListenAddress(host: address.host, port: address.port), group: EventLoops.shared,
                limits: limits, hosts: HostPolicy(names: hosts), tls: tls?.source, log: log, handler: handler)
        } catch {
            var message = "\(error)"
            if case .inUse(let taken) = error, let holder = PortHolder(port: taken.port) {
                message = "\(taken) is taken by \(holder)"
            }
            throw Refusal(
                .conflict, message,
                hint:
                    "stop that one, or choose other ports: `martlet up --port N` takes N for MCP, N+1 for admin, N+2 for the mesh; or set listen.\(what)"
            )
        }
    }
}

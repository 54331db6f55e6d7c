import HTTPWire
import NIOCore

/// Which Host and Origin a listener believes are meant for it.
///
/// A web page can make a browser call any address, and by DNS rebinding even under a name of its own; what it
/// cannot do is to send our names as Host, or not to tell its own as Origin. So both must be ours. An absent
/// Origin is fine: only browsers send one (MCP 2025-11-25, basic/transports, Security Warning).
package struct HostPolicy: Hashable, Sendable {
    /// Paths that answer whoever asks: probes call them by whatever address they have, and learn nothing.
    package static let openPaths: Set<String> = ["/healthz", "/readyz"]

    private var hosts: Set<String> = ["localhost", "127.0.0.1", "::1"]
    private var exactHosts: Set<HTTPAuthority> = []
    private var exactOrigins: Set<String> = []
    /// The setting that ``refusal(ofHost:)`` names.
    private let setting: String

    /// - Parameters:
    ///   - names: hosts (`gw.example.net`: any port; `gw.example.net:8443`: that port) and whole origins
    ///     (`https://app.example.net`, `vscode-webview://x`) that are ours besides the loopback names.
    ///     What is neither is ignored.
    ///   - setting: where a person adds one.
    package init(names: [String] = [], setting: String = "listen.hosts") {
        self.setting = setting
        for name in names {
            if name.contains("://") {
                exactOrigins.insert(name.lowercased())
            } else if let authority = HTTPAuthority(name) {
                if authority.port == nil {
                    hosts.insert(authority.host)
                } else {
                    exactHosts.insert(authority)
                }
            }
        }
    }

    /// The same, and the address that a listener is bound to. 0.0.0.0 and :: name no host: browsers that take
    /// them for this machine are being led astray.
    package func including(_ address: ListenAddress) -> HostPolicy {
        var policy = self
        if !["0.0.0.0", "::"].contains(address.host) { policy.hosts.insert(address.host) }
        return policy
    }

    /// - Parameter localAddress: the address of our end of the connection. A Host that spells it is ours: it
    ///   takes a name to be rebound. That is what serves listeners on 0.0.0.0.
    package func admits(host: String, localAddress: String? = nil) -> Bool {
        guard let authority = HTTPAuthority(host) else { return false }
        return admits(authority, localAddress)
    }

    /// The rule for hosts, on the host of the origin; `null` and schemes of extensions only where they are
    /// configured.
    package func admits(origin: String, localAddress: String? = nil) -> Bool {
        let origin = origin.lowercased()
        if exactOrigins.contains(origin) { return true }
        for scheme in ["http://", "https://"] where origin.hasPrefix(scheme) {
            guard let authority = HTTPAuthority(origin.dropFirst(scheme.count)) else { return false }
            return admits(authority, localAddress)
        }
        return false
    }

    /// What to answer to a request, or `nil` where it may pass.
    func refusal(
        of head: HTTPRequestHead, target: HTTPTarget, localAddress: String?
    ) -> HTTPRefusal? {
        if Self.openPaths.contains(target.path) { return nil }
        let host = head.headers.first("host") ?? ""
        guard admits(host: host, localAddress: localAddress) else { return refusal(ofHost: host) }
        if let authority = target.authority, !admits(authority, localAddress) {
            return refusal(ofHost: authority.description)
        }
        for origin in head.headers.all("origin") where !admits(origin: origin, localAddress: localAddress) {
            return HTTPRefusal(
                status: 403, error: "a page of origin \"\(origin)\" may not call this server",
                hint: "if that page is meant to, add its host or its whole origin to `\(setting)`")
        }
        return nil
    }

    private func admits(_ authority: HTTPAuthority, _ localAddress: String?) -> Bool {
        hosts.contains(authority.host) || exactHosts.contains(authority)
            || localAddress != nil && authority.host == localAddress
    }

    private func refusal(ofHost host: String) -> HTTPRefusal {
        let name = HTTPAuthority(host)?.hostText ?? "NAME"
        return HTTPRefusal(
            status: 421, error: "this server does not answer to the host \"\(host)\"",
            hint: "if clients are meant to reach it by that name, add \"\(name)\" to `\(setting)`")
    }
}

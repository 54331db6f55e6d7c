/// Where the backends that a person named may be, by address.
///
/// A person names a backend where it is, on this host and in private networks too. Only whoever answers for a name in the DNS says what it
/// leads to, and may say something else tomorrow (DNS rebinding). So a name may lead anywhere but to where clouds hand out credentials,
/// and one that has led outside is not followed inside: a server elsewhere that moves into this network is none.
package struct BackendGuard: Sendable {
    /// Names that are remembered: a node fronts at most 1,000 servers. Beyond that the oldest is forgotten.
    package static let namesMax = 4_096

    private let fetch: FetchGuard
    /// Names that have led to a public address in this life of the node, the latest last.
    private var outside: [String] = []

    package init(_ fetch: FetchGuard) { self.fetch = fetch }

    /// - Parameters:
    ///   - host: as the URL names it.
    ///   - setting: where a person allows more, for the message.
    package mutating func objection(to address: IPAddress, host: String, setting: String) -> Denial? {
        if IPAddress(host) == address { return nil }
        if let objection = fetch.objection(to: address, host: host, setting: setting, by: .named) {
            return objection
        }
        let (name, kind) = (host.lowercased(), FetchGuard.kind(of: address))
        let hasBeenOutside = outside.contains(name)
        if kind == .everywhere {
            if !hasBeenOutside {
                outside.append(name)
                if outside.count > Self.namesMax { outside.removeFirst() }
            }
            return nil
        }
        guard hasBeenOutside, !fetch.allows(address) else { return nil }
        return Denial(
            .addressNotAllowed,
            "\(host) led to a public address before, and now to \(address), \(kind.rawValue)",
            hint: "if it has moved, add \"\(address)\" to \(setting), or start the node again")
    }
}

/// What an enrolment lets a node do.
package struct Roles: OptionSet, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Publish its own node, links and servers.
    package static let member = Roles(rawValue: 1)
    /// Name principals other than itself in calls.
    package static let entry = Roles(rawValue: 2)
    /// Sign what holds for the whole mesh: virtual servers, statements.
    package static let `operator` = Roles(rawValue: 4)
    /// Enrol, renew and revoke nodes.
    package static let issuer = Roles(rawValue: 8)

    /// What `mesh token` gives unless told otherwise.
    package static let ordinary: Roles = [.member, .entry]
    package static let all: Roles = [.member, .entry, .operator, .issuer]

    private static let names: [(Roles, String)] = [
        (.member, "member"), (.entry, "entry"), (.operator, "operator"), (.issuer, "issuer"),
    ]

    /// - Returns: `nil` for a word that is no role.
    package init?(named name: some StringProtocol) {
        guard let role = Self.names.first(where: { $0.1 == name }) else { return nil }
        self = role.0
    }

    package var names: [String] { Self.names.filter { contains($0.0) }.map(\.1) }
    package var description: String { names.joined(separator: "+") }
}

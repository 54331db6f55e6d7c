package import Catalog

/// What a request is about, at its server: the entry that a method names, by the server's own name.
package struct NamedEntry: Hashable, Sendable {
    package let kind: EntryKind
    package let name: String

    package init(kind: EntryKind, name: String) {
        self.kind = kind
        self.name = name
    }
}

/// One server behind glass: which of its entries may be called. Made of a judgement, asked with every call.
package struct GlassPane: Hashable, Sendable {
    private let server: Label
    private let policy: ApprovalPolicy
    /// Waits, and whether another definition of it is listed meanwhile.
    private let waiting: [PinKey: Bool]
    private let listed: Set<PinKey>
    private let isLooked: Bool
    /// Of all templates, those that wait too.
    package let templates: [String]

    /// - Parameter listing: as it was judged; `nil`: nothing was offered yet since this node's start.
    package init(_ server: Label, under policy: ApprovalPolicy, listing: Manifest?) {
        self.server = server
        self.policy = policy
        isLooked = listing != nil
        let listed = Set((listing?.entries ?? []).map { PinKey($0) })
        self.listed = listed
        waiting = Dictionary((listing?.pending ?? []).map { (PinKey($0), listed.contains(PinKey($0))) }) {
            first, _ in first
        }
        templates = Set(listed.union(waiting.keys).filter { $0.kind == .resourceTemplate }.map(\.text))
            .sorted()
    }

    /// Whether a pane made for one policy holds for another.
    package func isUnder(_ policy: ApprovalPolicy) -> Bool { self.policy == policy }

    /// Why a call may not run; `nil` if it may.
    ///
    /// What a server lists nowhere is its own to know (it may read more URIs than it lists), except under
    /// ``ApprovalPolicy/manual``, where nothing runs that nobody approved. A URI that it does not list may be one of a template, and
    /// waits as long as that does.
    ///
    /// - Parameter matching: those of ``templates`` that a URI may be meant by; asked where it is not listed.
    package func objection(
        to entry: NamedEntry?, matching: (String) -> [String] = { _ in [] }
    ) -> Denial? {
        guard policy != .auto, let entry else { return nil }
        guard isLooked || (entry.kind == .resource && policy != .manual) else {
            return .notLooked(at: server)
        }
        let key = PinKey(kind: entry.kind, name: entry.name.utf8)
        switch waiting[key] {
        case true?:
            return Denial(
                .approvalPending,
                "\(server) has changed the \(entry.kind) \(entry.name) since it was approved, so what is listed is not what would run",
                hint:
                    "`martlet review` on its owner shows what changed, `martlet approve \(server)/\(entry.name)` lets it through"
            )
        case false?: return Self.unapproved(server, entry)
        case nil: break
        }
        guard !listed.contains(key) else { return nil }
        if entry.kind == .resource {
            let templates = matching(entry.name).map { PinKey(kind: .resourceTemplate, name: $0.utf8) }
            if let template = templates.first(where: { waiting[$0] != nil }) {
                return Self.unapproved(server, NamedEntry(kind: .resourceTemplate, name: template.text))
            }
            if !templates.isEmpty { return nil }
        }
        guard policy == .manual else { return nil }
        return Self.unapproved(server, entry)
    }

    private static func unapproved(_ server: Label, _ entry: NamedEntry) -> Denial {
        Denial(
            .approvalPending, "nobody has approved the \(entry.kind) \(entry.name) of \(server) yet",
            hint:
                "`martlet review` on its owner shows it, `martlet approve \(server)/\(entry.name)` lets it through"
        )
    }
}

extension Denial {
    /// What a quarantine says to a call.
    ///
    /// - Parameter signer: what its signer is called here.
    package init(_ hold: Hold, signer: String) {
        let who =
            switch hold.reach {
            case .here: "on this node"
            case .owner: "by its owner \(signer)"
            case .mesh: "by the operator \(signer)"
            }
        let what =
            switch hold.target {
            case .node: ", all of its node"
            case .server: ", its server"
            case .entry: ""
            }
        self.init(
            .quarantined,
            "quarantined \(who)\(what): \(hold.reason.isEmpty ? "no reason given" : hold.reason)",
            hint: "it runs again when somebody who may do so releases it (`martlet review` shows it)")
    }

    /// A server whose word on what it offers has not come since this node's start.
    package static func notLooked(at server: Label) -> Denial {
        Denial(
            .notListedYet,
            "\(server) has not said yet what it offers, so nobody knows whether it is what was approved",
            hint: "try again in a moment; `martlet status` says how it fares")
    }
}

import Catalog
import Mesh

/// One statement as the table `statements` shows it: revocations, decisions of the mesh, and what is held back here alone.
struct StatementRow: Sendable {
    enum State: String, Sendable {
        /// It counts.
        case stands
        /// A quarantine or limit that a release named.
        case released
        /// Its origin took it back.
        case lifted
        /// Its signer may not say it any more.
        case void
    }

    var kind: String
    var target: NodeID?
    var server: Label?
    var entry: EntryAddress?
    var pin: Pin?
    var allowance: CallAllowance?
    /// `nil`: the root.
    var signer: NodeID?
    var reach: Hold.Reach?
    var reason: String?
    var at: UInt64?
    var state = State.stands

    static func all(
        _ revocations: [Revocation], _ decisions: StatementBook, holds: Holds, approvals: Approvals,
        limits: StatedLimits
    ) -> [StatementRow] {
        let standing = Set(holds.all.compactMap(\.word) + limits.all.map(\.word))
        let said = decisions.all.values.sorted { $0.key < $1.key }
        return revocations.sorted { $0.key < $1.key }.map { revocation in
            StatementRow(
                kind: "revoke", target: revocation.target, signer: revocation.key.signer,
                reason: revocation.reason)
        }
            + said.map { row(of: $0, standing: standing, approvals) }
            + holds.all.filter { $0.reach == .here }.map { hold in
                var row = StatementRow(
                    kind: "quarantine", signer: hold.signer, reach: .here, reason: hold.reason, at: hold.at)
                row.aim(at: hold.target)
                return row
            }
    }

    private static func row(
        of statement: Statement, standing: Set<ContentHash>, _ approvals: Approvals
    ) -> StatementRow {
        guard let body = statement.body else {
            // What it was about went with its body.
            return StatementRow(kind: "taken back", signer: statement.origin, state: .lifted)
        }
        var row = StatementRow(
            kind: body.decision.verb.description, signer: statement.origin, reason: body.reason, at: body.at)
        row.aim(at: body.decision.target)
        switch body.decision {
        case .approve(let address, let pin):
            row.pin = pin
            row.reach = .mesh
            let counts = approvals.all.contains {
                $0.address == address && $0.pin == pin && $0.signer == statement.origin
            }
            row.state = counts ? .stands : .void
        case .quarantine:
            row.reach = statement.enrolment.roles.contains(.operator) ? .mesh : .owner
            row.state = standing.contains(statement.hash) ? .stands : .released
        case .release: row.reach = .mesh
        case .limit(_, let allowance):
            row.allowance = allowance
            row.reach = .mesh
            row.state = standing.contains(statement.hash) ? .stands : .released
        }
        return row
    }

    private mutating func aim(at target: StatementTarget) {
        self.target = target.owner
        server = target.server?.name
        if case .entry(let address) = target { entry = address }
    }
}

package import Catalog

/// Which records somebody wants to see; what is `nil` leaves all.
package struct RecordFilter: Hashable, Sendable {
    /// Fewer characters of an id would mean too many.
    package static let idPrefixMin = 8

    /// For what was called: `get_*`, `erp/get_*`, or a name as `catalog search` prints it.
    package var entry: Glob?
    package var principal: Glob?
    package var outcomes: Set<AuditRecord.Outcome>?
    /// The beginning of a trace's or a call's id; a composite's steps are meant by the composite's.
    package var id: String?
    /// In milliseconds since 1970-01-01T00:00:00Z.
    package var since: Int64?

    package init(
        entry: Glob? = nil, principal: Glob? = nil, outcomes: Set<AuditRecord.Outcome>? = nil,
        id: String? = nil, since: Int64? = nil
    ) {
        self.entry = entry
        self.principal = principal
        self.outcomes = outcomes
        self.id = id
        self.since = since
    }

    /// What was lost is told to whoever asks about that time, whatever else he asks for.
    package func chooses(_ leaf: RecordLeaf) -> Bool {
        switch leaf {
        case .lost(let lost): since.map { lost.at >= $0 } ?? true
        case .call(let record), .intent(let record): chooses(record)
        }
    }

    private func chooses(_ record: AuditRecord) -> Bool {
        if let since, record.at < since { return false }
        if let outcomes, !outcomes.contains(record.outcome) { return false }
        if let id, ![record.trace, record.call, record.parent ?? ""].contains(where: { $0.hasPrefix(id) }) {
            return false
        }
        if let principal, !principal.matches(record.principal) { return false }
        if let entry, !record.names.contains(where: entry.matches) { return false }
        return true
    }
}

extension AuditRecord {
    /// Every name by which people mean what was called.
    fileprivate var names: [String] {
        guard let entry else { return [method] }
        guard let server else { return [entry] }
        var names = [entry, "\(server)/\(entry)", "\(server)__\(entry)"]
        if let owner {
            names += ["\(owner.label)--\(server)/\(entry)", "\(owner.label)--\(server)__\(entry)"]
        }
        return names
    }
}

import Catalog
import Composition
package import JSONSlice
import Storage

/// What became of the catalog, as this node has learnt it.
extension Node {
    /// What of the catalog differs from what this node knew some time ago.
    package func catalogDifferences(sinceSeconds seconds: Int) async throws -> JSON {
        let differences = try await chronicle.differences(sinceSeconds: seconds)
        let report = catalogReport()
        let names = NodeNames(board.snapshot)
        let now = WallTime.now()
        let listed = Dictionary(
            (report?.entries ?? []).map { ($0.binding.address, $0.name) },
            uniquingKeysWith: { first, _ in first })
        return .object([
            ("sinceSeconds", .number(seconds)), ("isCut", .bool(differences.isCut)),
            (
                "entries",
                .array(
                    differences.list.map { difference in
                        let address = difference.address
                        var members: [(String, JSON)] = [
                            ("what", .string(difference.kind.rawValue)), ("original", .string(address.name)),
                            ("kind", .string(address.kind.description)),
                            ("server", .string(address.server.name.text)),
                            ("owner", .string(names[address.server.owner])),
                            ("secondsAgo", .number(Self.age(of: difference.at, at: now))),
                        ]
                        if let name = listed[address] { members.insert(("name", .string(name)), at: 0) }
                        if difference.kind == .changed {
                            members.append(("changed", .array(difference.members.map(JSON.string))))
                        }
                        return .object(members)
                    })
            ),
        ])
    }

    /// How old what this node knows of an entry is, and what it was before.
    func history(of name: String, in report: CatalogReport) async throws -> [(String, JSON)] {
        guard let entry = report.entry(named: name) else { return [] }
        let rows = CatalogRows(report, now: seat.now())
        let now = WallTime.now()
        var members: [(String, JSON)] = [("ownerId", .string(entry.binding.server.owner.description))]
        if let row = rows.row(of: entry) {
            for column in [SelectionColumn.segment, .tags, .revision, .age] {
                members.append((column == .age ? "ageSeconds" : column.rawValue, row.value(column).json))
            }
        }
        let versions = try await chronicle.versions(of: entry.binding.address)
        members.append(
            (
                "versions",
                .array(
                    versions.map { version in
                        var members: [(String, JSON)] = [
                            ("hash", .string(version.hash.description)),
                            ("learntSecondsAgo", .number(Self.age(of: version.learnt, at: now))),
                        ]
                        if let gone = version.gone {
                            members.append(("goneSecondsAgo", .number(Self.age(of: gone, at: now))))
                        }
                        members.append(("isNew", .bool(version.isNew)))
                        members.append(("changed", .array(version.changed.map(JSON.string))))
                        return .object(members)
                    })
            ))
        return members
    }

    /// Writes down what is new. Not before the start is over: until then what is missing may only not be there yet.
    func noteCatalog() async {
        guard isReady else { return }
        let failure: String?
        do {
            try await virtualChronicle.note(board.snapshot)
            try await chronicle.look(at: board.snapshot)
            failure = nil
        } catch {
            failure = "\(error)"
        }
        // It is tried again every second; what fails for the same reason was said.
        if let news = historyTrouble.withLock({ $0.news(failure) }) {
            log.warning("Changes of the catalog could not be noted.", metadata: ["error": "\(news)"])
        }
    }

    static func age(of milliseconds: Int64, at now: WallTime) -> Int {
        max(0, Int(clamping: (now.milliseconds - milliseconds) / 1_000))
    }
}

extension Binding {
    /// As the history notes it.
    var address: EntryAddress { EntryAddress(server: server, kind: kind, name: entry).noted }
}

extension SelectionValue {
    var json: JSON {
        switch self {
        case .null: .null
        case .text(let text): .string(text)
        case .number(let number): .number(Int(clamping: number))
        case .flag(let flag): .bool(flag)
        case .words(let words): .array(words.map(JSON.string))
        }
    }
}

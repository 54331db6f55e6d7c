import Catalog
import Composition
package import JSONSlice
import Storage

/// What became of virtual servers, and the way back.
extension Node {
    /// All that this node knows to have been said of a virtual server, the word that counts first.
    package func virtualHistory(of name: String) async throws -> JSON {
        let label = try Self.virtualLabel(name)
        let now = WallTime.now()
        let history = try await history(of: label)
        return .object([
            ("name", .string(name)),
            (
                "versions",
                .array(
                    history.map { version, standing in
                        let word = version.word
                        return .object([
                            ("version", .number(Int(clamping: word.counter))),
                            ("hash", .string(word.hash.description)), ("author", .string(version.author)),
                            ("standing", .string(standing.rawValue)),
                            ("isRemoval", .bool(word.definition == nil)),
                            ("isConfigured", .bool(word.isConfigured)),
                            ("learntSecondsAgo", .number(Self.age(of: version.learnt, at: now))),
                        ])
                    })
            ),
        ])
    }

    /// What two versions differ in, and what clients see differ by that.
    ///
    /// - Parameters:
    ///   - from: a version's number or the beginning of its hash; `nil`: what the one that counts replaced.
    ///   - to: the same; `nil`: the one that counts.
    package func virtualDifferences(of name: String, from: String?, to: String?) async throws -> JSON {
        let label = try Self.virtualLabel(name)
        let history = try await history(of: label).map(\.version)
        let new = try to.map { try Self.version($0, of: name, among: history) } ?? history[0]
        let old: VirtualVersion? =
            if let from {
                try Self.version(from, of: name, among: history)
            } else {
                history.first { $0.word.hash == new.word.replaces && $0.word.counter < new.word.counter }
                    ?? history.first { new.word.wins(over: $0.word) && $0.word.hash != new.word.hash }
            }
        return differences(name, old?.word.definition, new.word.definition)
            .setting("from", to: old.map { .string(Self.spelled($0)) } ?? .null)
            .setting("to", to: .string(Self.spelled(new)))
    }

    /// What applying a file would change.
    package func compareVirtualServers(yaml: String, source: String) async throws -> JSON {
        let compared = try await virtualServers.compare(yaml: yaml, source: source)
        return .object([
            ("virtualServers", .array(compared.map { differences($0.name.text, $0.old, $0.new.json) }))
        ])
    }

    /// Makes an earlier version count again, as a new one.
    ///
    /// - Parameter to: its number or the beginning of its hash; `nil`: what the one that counts replaced.
    package func rollBackVirtualServer(named name: String, to: String?) async throws -> JSON {
        let label = try Self.virtualLabel(name)
        let all = try await history(of: label)
        let history = all.map(\.version)
        let current = all.first { $0.standing == .stands }?.version.word
        let target: VirtualVersion
        if let to {
            target = try Self.version(to, of: name, among: history)
        } else {
            guard
                let place = VirtualLineage.before(current, among: history.map(\.word), all.map(\.standing))
            else {
                throw Refusal(
                    .notFound, "this node knows no earlier version of \(name)",
                    hint: "`martlet virtual history \(name)` shows what it knows")
            }
            target = history[place]
        }
        guard let definition = target.word.definition else {
            throw Refusal(
                .invalid, "version \(Self.spelled(target)) is its removal",
                hint: "`martlet virtual remove \(name)` removes it")
        }
        let applied = try await virtualServers.rollBack(label, to: definition)
        let report = virtualServerReports().first { $0.record.name == label }
        var answer = (report?.summary ?? .object([("name", .string(name))]))
            .setting("outcome", to: .string(applied.outcome))
            .setting("to", to: .string(Self.spelled(target)))
        if let note = applied.note { answer = answer.setting("note", to: .string(note)) }
        return answer
    }

    // MARK: -

    /// - Returns: never empty.
    private func history(
        of name: Label
    ) async throws -> [(version: VirtualVersion, standing: VirtualStanding)] {
        // What came a moment ago may not be noted yet.
        try await virtualChronicle.note(board.snapshot)
        let standing = board.snapshot.virtualWords[name]?.first
        let history = try await virtualChronicle.history(of: name, standing: standing)
        guard !history.isEmpty else {
            throw Refusal(
                .notFound, "this node has never heard of a virtual server \(name)",
                hint: "`martlet virtual list` shows those that there are")
        }
        return history
    }

    private func differences(_ name: String, _ old: JSON?, _ new: JSON?) -> JSON {
        let snapshot = board.snapshot
        let written = { (definition: JSON?) in
            definition.map { (try? ResolvedDefinition(json: $0))?.written(in: snapshot).json ?? $0 }
        }
        let members = DefinitionDifference.between(written(old), written(new)).map { difference in
            JSON.object(
                [("place", .string(difference.place))] + (difference.old.map { [("old", $0)] } ?? [])
                    + (difference.new.map { [("new", $0)] } ?? []))
        }
        let (before, after) = (entries(of: old, in: snapshot), entries(of: new, in: snapshot))
        let names = { (listed: [String: JSON], others: [String: JSON]) in
            JSON.array(listed.keys.filter { others[$0] == nil }.sorted().map(JSON.string))
        }
        let changed = after.keys.filter { key in before[key].map { $0 != after[key] } ?? false }.sorted()
        return .object([
            ("name", .string(name)), ("definition", .array(members)),
            ("added", names(after, before)), ("removed", names(before, after)),
            ("changed", .array(changed.map(JSON.string))),
        ])
    }

    /// Definitions that clients would list, by kind and name.
    private func entries(of definition: JSON?, in snapshot: CatalogSnapshot) -> [String: JSON] {
        guard let definition, let resolved = try? ResolvedDefinition(json: definition) else { return [:] }
        let view = EndpointView(
            of: .virtual(resolved), in: snapshot, nameLengthMax: settings.configuration.nameLengthMax)
        let all = EntryKind.allCases.flatMap { kind in
            view.list(kind).map { ("\(kind) \($0.name)", $0.definition) }
        }
        return Dictionary(all) { first, _ in first }
    }

    private static func version(
        _ text: String, of name: String, among history: [VirtualVersion]
    ) throws(Refusal) -> VirtualVersion {
        let found =
            UInt64(text).flatMap { number in history.filter { $0.word.counter == number } }
            .flatMap { $0.isEmpty ? nil : $0 }
            ?? (text.count >= 4
                ? history.filter { $0.word.hash.description.hasPrefix(text.lowercased()) } : [])
        let hashes = Set(found.map(\.word.hash))
        guard let first = found.first else {
            throw Refusal(
                .notFound, "this node knows no version \(text) of \(name)",
                hint: "`martlet virtual history \(name)` shows those that it knows")
        }
        guard hashes.count == 1 else {
            throw Refusal(
                .invalid, "\(text) is more than one version of \(name)",
                hint: "say which by the beginning of its hash: `martlet virtual history \(name)`")
        }
        return first
    }

    private static func spelled(_ version: VirtualVersion) -> String {
        "\(version.word.counter) (\(version.word.hash.description.prefix(8)), by \(version.author))"
    }

    private static func virtualLabel(_ name: String) throws(Refusal) -> Label {
        guard let label = Label(name) else {
            throw Refusal(
                .notFound, "no virtual server named \(name)", hint: "`martlet virtual list` shows them")
        }
        return label
    }
}

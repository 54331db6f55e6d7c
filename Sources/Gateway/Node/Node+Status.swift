import Catalog
import Composition
package import JSONSlice
import Storage

extension Node {
    /// All that `martlet status` shows.
    package func status() async -> JSON {
        let books = await supervisor.books
        let snapshot = board.snapshot
        // A client that was told "ready" finds all of it in the lists.
        let isSettled = isReady && books.allSatisfy(\.isSettled) && Self.shows(books, snapshot)
        let me = snapshot.nodes[snapshot.me]
        var listen: [(String, JSON)] = [("mcp", .string(mcpAddress)), ("mcpURL", .string(mcpURL))]
        if let mcpCertificate { listen.append(("mcpCertificate", .string(mcpCertificate))) }
        if let mcpBound { listen.append(("mcpBound", .string(mcpBound))) }
        if let adminAddress {
            listen.append(("admin", .string(adminAddress)))
            listen.append(
                ("adminURL", .string("\(adminCertificate == nil ? "http" : "https")://\(adminAddress)")))
        }
        if let meshAddress { listen.append(("mesh", .string(meshAddress))) }
        var alone: [(String, JSON)] = [("isConfirmed", .bool(snapshot.isConfirmed))]
        if let since = snapshot.aloneSince {
            alone.append(("aloneSinceSeconds", .number(max(0, (seat.now() - since).wholeSeconds))))
        }
        return .object([
            (
                "node",
                .object(
                    [
                        ("id", .string(snapshot.me.description)), ("label", .string(seat.label.text)),
                        ("segment", .string(seat.segment.text)), ("mesh", .string(seat.mesh.description)),
                        ("roles", .string(seat.roles.description)),
                        ("software", .string(me?.software ?? SoftwareVersion.current)),
                        ("uptimeSeconds", .number(uptime.wholeSeconds)), ("isReady", .bool(isSettled)),
                    ] + alone)
            ),
            ("listen", .object(listen)),
            ("mdns", .string(seat.discoveryText)),
            ("needsKey", .bool(door.needsKey)),
            ("peers", .array(peerReports().map(\.json))),
            ("servers", .array(await serverReports().map(\.json))),
            ("virtualServers", .array(virtualServerReports().map(\.summary))),
            ("floods", .array(floodReports().map(\.json))),
            ("records", recordsReport()),
            ("attention", .array(await attention().map(JSON.string))),
        ])
    }

    package func peers() async -> JSON {
        .object([
            ("peers", .array(peerReports().map(\.json))),
            (
                "found",
                .array(
                    seat.strangers.map { sighting in
                        .object([
                            ("mesh", .string(sighting.mesh?.description ?? "unknown")),
                            ("node", .string(sighting.node?.description ?? "unknown")),
                            ("address", .string(sighting.address.description)),
                            ("interface", .string(sighting.interfaceName)),
                        ])
                    })
            ),
        ])
    }

    /// All that `martlet doctor` looks at.
    package func examine() async -> JSON {
        .object([("checks", .array(await findings().map(\.json)))])
    }

    // MARK: -

    private func peerReports() -> [PeerReport] { PeerReport.all(in: board.snapshot, now: seat.now()) }

    private func floodReports() -> [FloodReport] {
        FloodReport.all(seat.floods, in: board.snapshot, now: seat.now())
    }

    /// What a person should look at; each line says what to do.
    private func attention() async -> [String] {
        var lines: [String] = []
        for book in await supervisor.books where [.down, .authNeeded, .degraded].contains(book.state) {
            lines.append(
                "server \(book.definition.name) is \(book.state): \(book.reason) (martlet servers test \(book.definition.name))"
            )
        }
        for (name, reason) in await virtualServers.waiting.sorted(by: { $0.key < $1.key }) {
            lines.append("virtual server \(name) waits: \(reason)")
        }
        for (name, reason) in await virtualServers.unreadable.sorted(by: { $0.key < $1.key }) {
            lines.append(
                "virtual server \(name) is stored and cannot be served: \(reason) (martlet virtual apply -f FILE, or virtual remove \(name))"
            )
        }
        for (name, reason) in unreadableServers.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            lines.append(
                "server \(name) is stored and cannot be fronted: \(reason) (martlet servers remove \(name), then add it anew)"
            )
        }
        if let sealed = secrets.sealed {
            lines.append("the vault is sealed: \(SecretStoreError.sealed(sealed))")
        }
        if let line = rollbackLine { lines.append(line) }
        lines += rotationLines()
        for (issuer, trouble) in tokenDoor?.troubles ?? [] {
            lines.append("the keys of the issuer \(issuer) do not come: \(trouble)")
        }
        if let line = unattendedJoin?.line { lines.append(line) }
        if let trouble = embedder?.standing.trouble {
            lines.append("texts cannot be embedded, and words alone find them: \(trouble) (martlet doctor)")
        }
        lines += await reviewLines()
        if let line = recordsLine() { lines.append(line) }
        lines += floodReports().map(\.line)
        lines += seat.certificateLines
        lines += seat.notices
        return lines
    }

    private func findings() async -> [Finding] {
        var findings = [
            Finding("data folder", .ok, folder.path),
            secrets.sealed.map { Finding("vault", .bad, "sealed", mend: "\(SecretStoreError.sealed($0))") }
                ?? Finding("vault", .ok, "open; secrets in it: \(secrets.list().count)"),
            rollbackLine.map { Finding("vault's age", .bad, $0, mend: "martlet vault status") }
                ?? Finding("vault's age", .ok, "no peer remembers a later vault"),
            Finding(
                "callers", door.needsKey ? .ok : .warning,
                door.needsKey
                    ? "every caller needs a key" : "anybody on loopback may call; no key was made yet",
                mend: door.needsKey
                    ? nil : "martlet token create NAME, before the listener is opened to others"),
        ]
        findings += tokenDoor?.findings ?? []
        findings += seat.findings()
        if let finding = searchFinding() { findings.append(finding) }
        let books = await supervisor.books
        if books.isEmpty {
            findings.append(
                Finding("servers", .warning, "this node fronts none", mend: "martlet servers add sample"))
        }
        for book in books {
            let name = book.definition.name
            let what = "server \(name)"
            switch book.state {
            case .degraded:
                findings.append(Finding(what, .warning, book.reason, mend: "martlet servers show \(name)"))
            case .up:
                findings.append(
                    Finding(
                        what, .ok, "speaks \(book.revision), \(book.manifest?.entries.count ?? 0) entries"))
            case .disabled: findings.append(Finding(what, .ok, "disabled"))
            case .starting: findings.append(Finding(what, .warning, "starting: \(book.reason)"))
            case .down:
                findings.append(Finding(what, .bad, book.reason, mend: "martlet servers test \(name)"))
            case .authNeeded:
                let secret = book.definition.secrets.first?.text ?? "NAME"
                findings.append(Finding(what, .bad, book.reason, mend: "martlet secret set \(secret)"))
            }
            for remark in book.remarks { findings.append(Finding(what, .warning, remark)) }
        }
        for report in peerReports() {
            switch report.node.reachability {
            case .unreachable(let since):
                findings.append(
                    Finding(
                        "peer \(report.name)", .warning,
                        "unreachable for \((seat.now() - since).wholeSeconds) s",
                        mend: "is its host up, and does a path of links lead there? `martlet peers`"))
            default:
                findings.append(
                    Finding(
                        "peer \(report.name)", .ok,
                        report.via.isEmpty ? "direct" : "via \(report.via.joined(separator: ", "))"))
            }
        }
        return findings
    }
}

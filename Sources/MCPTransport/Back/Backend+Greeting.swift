import JSONSlice
import MCPModel
import NIOCore

/// What a backend said of itself when greeted.
struct Greeting: Hashable, Sendable {
    var revision: ProtocolRevision
    var serverInfo: JSON
    var instructions: String?
    /// In modern terms.
    var capabilities: JSON
}

extension Greeting {
    /// What a modern server answers to `server/discover`.
    init(_ revision: ProtocolRevision, discovered result: JSON) {
        self.init(
            revision: revision,
            serverInfo: result["_meta"]?[MetaKey.serverInfo]?.detached ?? .emptyObject,
            instructions: result["instructions"]?.string,
            capabilities: result["capabilities"]?.detached ?? .emptyObject)
    }
}

/// Finding a backend's era, and listing what it offers.
extension Backend {
    /// Greets the backend in the era it last spoke, or finds out which it speaks.
    func greet(_ link: any BackendLink) async throws(BackendFault) -> Greeting {
        let greeting: Greeting
        if state.withLock({ $0.rememberedEra }) == .legacy {
            do throws(BackendFault) {
                greeting = try await initialize(link)
            } catch {
                // The assumption failed: next time it is asked again.
                state.withLock { $0.rememberedEra = nil }
                throw error
            }
        } else {
            greeting = try await probe(link)
        }
        state.withLock { $0.rememberedEra = greeting.revision.era }
        return greeting
    }

    /// - Parameter isSecond: whether the backend itself said that it speaks this revision.
    private func probe(
        _ link: any BackendLink, as revision: ProtocolRevision = .newestModern, isSecond: Bool = false
    ) async throws(BackendFault) -> Greeting {
        let answer: LinkQuestion.Answer
        do throws(BackendFault) {
            answer = try await LinkQuestion.ask(
                link, own(Method.serverDiscover, .emptyObject, revision: revision),
                within: limits.probeTimeout, on: group.next())
        } catch {
            switch error.kind {
            case .refused, .broken, .tooLarge, .timedOut, .sessionGone:
                return try await initialize(link)
            case .lost:
                // Some legacy servers die of a first message that is not `initialize`.
                state.withLock { $0.rememberedEra = .legacy }
                throw error
            case .notReached, .authNeeded, .sealed, .cancelled:
                throw error
            }
        }
        switch answer {
        case .result(let result) where result["supportedVersions"]?.kind == .array:
            return try modernGreeting(result, link)
        case .error(let error) where Self.isModern(error):
            // A server that refuses a revision says which it takes.
            let offered = error["data"]?["supported"]?.elements.compactMap(\.string) ?? []
            let common = ProtocolRevision.allCases.last { offered.contains($0.rawValue) }
            if let common, common.era == .legacy { return try await initialize(link) }
            if let common, !isSecond { return try await probe(link, as: common, isSecond: true) }
            throw BackendFault(
                .broken, "it speaks revisions that this gateway does not: \(RPCError(reading: error))")
        case .result, .error:
            return try await initialize(link)
        }
    }

    private func modernGreeting(
        _ result: JSON, _ link: any BackendLink
    ) throws(BackendFault) -> Greeting {
        let offered = result["supportedVersions"]?.elements.compactMap(\.string) ?? []
        guard let revision = ProtocolRevision.modern.last(where: { offered.contains($0.rawValue) }) else {
            throw BackendFault(
                .broken,
                "it speaks only \(offered.prefix(8).joined(separator: ", ")), which this gateway does not")
        }
        link.settle(revision)
        return Greeting(revision, discovered: result)
    }

    /// What a modern backend says of itself now: it has no session in which that would be fixed, so with what it offers its
    /// capabilities may have become others. Where it does not say, what it said before stands.
    func greetedAnew(_ link: any BackendLink, _ greeting: Greeting) async throws(BackendFault) -> Greeting {
        guard greeting.revision.era == .modern else { return greeting }
        do throws(BackendFault) {
            let answer = try await LinkQuestion.ask(
                link, own(Method.serverDiscover, .emptyObject, revision: greeting.revision),
                within: limits.probeTimeout, on: group.next())
            return Self.renewed(greeting, by: answer)
        } catch {
            switch error.kind {
            // Its lists may be read all the same.
            case .refused, .broken, .tooLarge: return greeting
            default: throw error
            }
        }
    }

    /// A greeting, with what a later answer to `server/discover` says.
    static func renewed(_ greeting: Greeting, by answer: LinkQuestion.Answer) -> Greeting {
        guard greeting.revision.era == .modern, case .result(let result) = answer,
            result["supportedVersions"]?.elements.contains(where: { $0.string == greeting.revision.rawValue })
                == true
        else { return greeting }
        return Greeting(greeting.revision, discovered: result)
    }

    /// Errors that only a server of the modern era gives. Drafts of the revision used other codes.
    private static func isModern(_ error: JSON) -> Bool {
        switch error["code"]?.int {
        case RPCError.Code.unsupportedVersion, RPCError.Code.headerMismatch, RPCError.Code.missingCapability:
            true
        default: false
        }
    }

    /// - Parameter declared: default: all that can be bridged, so that a server which offers more to able clients offers it
    ///   here, too; nothing where no caller can be asked.
    func initialize(
        _ link: any BackendLink, declaring declared: DeclaredCapabilities? = nil
    ) async throws(BackendFault) -> Greeting {
        let declared = declared ?? (asking == nil ? .none : .everything)
        let params: JSON = [
            "protocolVersion": .string(ProtocolRevision.newestLegacy.rawValue), "capabilities": declared.json,
            "clientInfo": clientInfo,
        ]
        let answer = try await LinkQuestion.ask(
            link, own(Method.initialize, params, revision: nil), within: limits.startTimeout,
            on: group.next())
        guard case .result(let result) = answer else {
            guard case .error(let error) = answer else { throw BackendFault(.broken, "no answer") }
            throw BackendFault(.broken, "it refuses to be initialized: \(RPCError(reading: error))")
        }
        guard let version = result["protocolVersion"]?.string,
            let revision = ProtocolRevision(rawValue: version), revision.era == .legacy
        else {
            throw BackendFault(.broken, "it answers `initialize` with a revision that does not exist")
        }
        link.settle(revision)
        await link.announce(Method.initialized)
        return Greeting(
            revision: revision, serverInfo: result["serverInfo"]?.detached ?? .emptyObject,
            instructions: result["instructions"]?.string,
            capabilities: EraBridge.modernServerCapabilities(
                fromLegacy: result["capabilities"]?.detached ?? .emptyObject))
    }

    // MARK: Lists

    /// Lists everything that the backend says it has.
    func list(_ link: any BackendLink, _ greeting: Greeting) async throws(BackendFault) -> BackendListing {
        var listing = BackendListing(
            era: greeting.revision.era, revision: greeting.revision, serverInfo: greeting.serverInfo,
            instructions: greeting.instructions, capabilities: greeting.capabilities, entries: [])
        var ttl: Duration?
        var bytes = 0
        let deadline = ContinuousClock.now + limits.listingMax
        for kind in EntryListKind.allCases where greeting.capabilities[kind.capability]?.kind == .object {
            var walk = ListWalk(
                kind, pagesMax: limits.pagesMax, entriesMax: limits.entriesMax - listing.entries.count,
                bytesMax: limits.listingBytesMax - bytes)
            try await read(&walk, link, greeting, until: deadline, &listing.remarks)
            bytes += walk.bytes
            ttl = [ttl, walk.ttl].compactMap { $0 }.min()
            for item in walk.items {
                if let violation = violation(of: item, kind, greeting) {
                    listing.remarks.append("tool \(violation.tool.prefix(100)) is left out: \(violation.why)")
                    listing.refusedTools[violation.tool] = violation.why
                } else if item[kind.nameMember]?.string?.isEmpty != false {
                    listing.remarks.append(
                        "an entry of its \(kind.member) has no \(kind.nameMember) and is left out")
                } else {
                    listing.entries.append((kind, item))
                }
            }
        }
        state.withLock { $0.ttl = ttl }
        let more = listing.remarks.count - limits.remarksMax
        if more > 0 {
            listing.remarks = listing.remarks.prefix(limits.remarksMax) + ["and \(more) more of this kind"]
        }
        return listing
    }

    private func read(
        _ walk: inout ListWalk, _ link: any BackendLink, _ greeting: Greeting,
        until deadline: ContinuousClock.Instant, _ remarks: inout [String]
    ) async throws(BackendFault) {
        var params = JSON.emptyObject
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            guard left > .zero else {
                throw BackendFault(.timedOut, "its lists do not end within \(limits.listingMax)")
            }
            let request = own(walk.kind.method, params, revision: greeting.revision)
            let answer = try await LinkQuestion.ask(
                link, request, within: min(left, limits.listTimeout), on: group.next())
            switch answer {
            case .error(let error):
                // Having resources does not mean having templates, and some declare more than they have.
                if walk.kind == .resourceTemplates { return }
                if error["code"]?.int == RPCError.Code.methodNotFound {
                    remarks.append("it declares \(walk.kind.member) and does not know \(walk.kind.method)")
                    return
                }
                throw BackendFault(
                    .broken, "it refuses \(walk.kind.method): \(RPCError(reading: error))")
            case .result(let result):
                switch walk.take(result) {
                case .done: return
                case .next(let cursor): params = ["cursor": .string(cursor)]
                case .cut(let why):
                    remarks.append(why)
                    return
                case .broken(let why):
                    // For the same reason as above: resources without templates are resources.
                    guard walk.kind == .resourceTemplates else { throw BackendFault(.broken, why) }
                    remarks.append(why)
                    return
                }
            }
        }
    }

    /// Why a tool must not be offered by any client over HTTP; `nil`: it may.
    private func violation(
        of item: JSON, _ kind: EntryListKind, _ greeting: Greeting
    ) -> (tool: String, why: String)? {
        guard kind == .tools, greeting.revision.era == .modern, case .http = target,
            let tool = ToolDefinition(item)
        else { return nil }
        do throws(ParameterHeaders.Violation) {
            _ = try tool.parameterHeaders()
            return nil
        } catch {
            return (tool.name, "\(error)")
        }
    }
}

package import JSONSlice

/// What `initialize` says in legacy and `server/discover` and `_meta` say in modern.
extension EraBridge {
    /// The revision to answer an `initialize` with: the one asked for if we speak it and it is legacy, otherwise
    /// the newest legacy one; the client leaves if it cannot.
    package static func negotiated(requested: String?) -> ProtocolRevision {
        guard let revision = requested.flatMap(ProtocolRevision.init(rawValue:)), revision.era == .legacy
        else {
            return .newestLegacy
        }
        return revision
    }

    /// The result of `initialize`, from the modern capabilities and serverInfo of what is served.
    package static func initializeResult(
        revision: ProtocolRevision, capabilities: JSON, serverInfo: JSON, instructions: String?
    ) -> JSON {
        let result: JSON = [
            "protocolVersion": .string(revision.rawValue),
            "capabilities": legacyServerCapabilities(fromModern: capabilities, revision: revision),
            "serverInfo": legacyImplementation(serverInfo, revision: revision),
        ]
        return instructions.map { result.setting("instructions", to: .string($0)) } ?? result
    }

    /// The result of `server/discover`.
    package static func discoverResult(
        capabilities: JSON, serverInfo: JSON, instructions: String?, caching: Caching
    ) -> JSON {
        let versions = ProtocolRevision.modern.map { JSON.string($0.rawValue) }
        var result: JSON = [
            "resultType": "complete", "supportedVersions": .array(versions), "capabilities": capabilities,
        ]
        if let instructions { result = result.setting("instructions", to: .string(instructions)) }
        return withServerInfo(withCaching(result, caching), serverInfo)
    }

    /// Every modern result should say who answered.
    package static func withServerInfo(_ result: JSON, _ serverInfo: JSON) -> JSON {
        let meta = result["_meta"].flatMap { $0.kind == .object ? $0 : nil } ?? .emptyObject
        return result.setting("_meta", to: meta.setting(MetaKey.serverInfo, to: serverInfo))
    }

    // MARK: - Capabilities of servers

    /// Tasks are an extension by now. No legacy revision knows extensions, so none is declared on.
    package static func modernServerCapabilities(fromLegacy capabilities: JSON) -> JSON {
        let known = capabilities.removing { $0 == "tasks" || $0 == "extensions" }
        return hasTasks(capabilities) ? TasksExtension.declared(in: known) : known
    }

    package static func legacyServerCapabilities(
        fromModern capabilities: JSON, revision: ProtocolRevision
    ) -> JSON {
        let known = capabilities.removing("extensions")
        if revision < .v2025_03_26 { return known.removing("completions") }
        // Older ones never heard of tasks; their calls wait for the end of one.
        return revision == .v2025_11_25 && TasksExtension.isDeclared(in: capabilities)
            ? known.setting("tasks", to: legacyTasks) : known
    }

    // MARK: - Capabilities of clients

    /// What a legacy session's client can do, in modern terms: what we declare upstream on its behalf.
    package static func modernClientCapabilities(
        fromLegacy capabilities: JSON, revision: ProtocolRevision
    ) -> JSON {
        // No legacy revision knows extensions, so what stands there is no agreement that could be passed on.
        var modern = capabilities.removing("tasks").removing("extensions").mapping("roots") {
            $0.removing("listChanged")
        }
        if revision < .v2025_06_18 { modern = modern.removing("elicitation") }
        if revision == .v2025_06_18 { modern = modern.mapping("elicitation") { _ in ["form": [:]] } }
        return modern
    }

    /// What we declare at `initialize` to a legacy server on behalf of a modern client.
    ///
    /// A modern client without the `form` or `url` inside `elicitation` means forms.
    package static func legacyClientCapabilities(
        fromModern capabilities: JSON, revision: ProtocolRevision
    ) -> JSON {
        var legacy = capabilities.removing("extensions").mapping("roots") { $0.removing("listChanged") }
        guard revision < .v2025_11_25 else { return legacy }
        legacy = legacy.mapping("sampling") { _ in .emptyObject }
        guard let elicitation = legacy["elicitation"] else { return legacy }
        let hasForm = elicitation["form"] != nil || elicitation["url"] == nil
        return revision == .v2025_06_18 && hasForm
            ? legacy.setting("elicitation", to: .emptyObject) : legacy.removing("elicitation")
    }
}

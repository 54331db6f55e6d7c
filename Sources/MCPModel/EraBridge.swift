package import JSONSlice

/// Carries answers from one era of MCP to the other, as pure functions on bytes.
///
/// What both eras know stays to the byte; only members that one side must have, or must not see, are spliced.
/// Inside the gateway and the mesh everything is modern, so a legacy back turns answers up and a legacy front
/// turns them down.
package enum EraBridge {
    /// An answer to a request, of whichever era.
    package enum Answer: Hashable, Sendable {
        case result(JSON)
        /// A JSON-RPC error object.
        case error(JSON)
    }

    /// What a modern cache may do with a result.
    package struct Caching: Hashable, Sendable {
        package enum Scope: String, Hashable, Sendable {
            /// May be shared by callers with other credentials.
            case `public`
            case `private`
        }

        package var milliseconds: Int
        package var scope: Scope

        package init(milliseconds: Int, scope: Scope) {
            self.milliseconds = max(0, milliseconds)
            self.scope = scope
        }

        /// What is safe of a result about which nothing is known.
        package static let none = Caching(milliseconds: 0, scope: .private)
    }

    // MARK: - Up

    /// A legacy result as a modern client must see it: `resultType`, and on the six cacheable ones `ttlMs` and
    /// `cacheScope`. Members that are there already are kept.
    package static func modernResult(
        fromLegacy result: JSON, method: String, caching: Caching = .none
    ) -> JSON {
        var modern = result
        // Legacy results are open, but the word has no meaning there: only `complete` can be meant.
        if modern["resultType"]?.string != "complete" {
            modern = modern.setting("resultType", to: "complete")
        }
        return Method.cacheable.contains(method) ? withCaching(modern, caching) : modern
    }

    /// Adds what a cacheable result must carry and does not yet.
    package static func withCaching(_ result: JSON, _ caching: Caching) -> JSON {
        var result = result
        if result["ttlMs"]?.int == nil { result = result.setting("ttlMs", to: .number(caching.milliseconds)) }
        let scope = result["cacheScope"]?.string.flatMap(Caching.Scope.init)
        return scope == nil ? result.setting("cacheScope", to: .string(caching.scope.rawValue)) : result
    }

    /// A legacy answer as a modern client must see it; beyond ``modernResult(fromLegacy:method:caching:)``:
    ///
    /// - no contents of a resource, and -32002: -32602 with `data.uri`;
    /// - -32042: `input_required` with the URLs to visit, or -32021 where the client cannot visit any. No
    ///   `requestState` is needed: the retry is the same request again (``legacyParams(fromModern:)``);
    /// - any other code reserved for another meaning in modern: -32603.
    ///
    /// - Parameters:
    ///   - params: of the request.
    ///   - capabilities: of the client, on this request.
    package static func modernAnswer(
        fromLegacy answer: Answer, method: String, params: JSON, capabilities: JSON, caching: Caching = .none
    ) -> Answer {
        switch answer {
        case .result(let result):
            if method == Method.resourcesRead, result["contents"]?.elements.isEmpty == true {
                return .error(RPCError.unknownResource(uri: params["uri"]?.string ?? "").json)
            }
            return .result(modernResult(fromLegacy: result, method: method, caching: caching))
        case .error(let error):
            return modernError(error, method: method, params: params, capabilities: capabilities)
        }
    }

    /// Params as a legacy server knows them: without the answers and the state of a retry, and without the wish for a
    /// task that modern servers ignore: 2025-11-25 would answer it with what nobody waits for.
    package static func legacyParams(fromModern params: JSON) -> JSON {
        params.removing { ["inputResponses", "requestState", "task"].contains($0) }
    }

    // MARK: - Down

    /// A modern result as a client of an older revision may see it: without what its revision does not know.
    package static func legacyResult(
        fromModern result: JSON, method: String, revision: ProtocolRevision
    ) -> JSON {
        var legacy = result.removing("resultType")
        if Method.cacheable.contains(method) { legacy = legacy.removing("ttlMs").removing("cacheScope") }
        legacy = withoutModernMeta(legacy)
        if let member = Method.listMember(of: method) {
            return legacy.mappingElements(of: member) {
                legacyDefinition(fromModern: $0, listedBy: method, revision: revision)
            }
        }
        switch method {
        case Method.toolsCall, Method.tasksResult: return legacyToolResult(legacy, revision: revision)
        case Method.tasksGet, Method.tasksCancel: return legacyTask(fromModern: legacy)
        case Method.tasksList: return legacy.mappingElements(of: "tasks", legacyTask(fromModern:))
        case Method.promptsGet:
            return legacy.mappingElements(of: "messages") { message in
                message.mapping("content") { legacyContent(fromModern: $0, revision: revision) }
            }
        default: return legacy
        }
    }

    /// A modern answer as a client of an older revision may see it; beyond
    /// ``legacyResult(fromModern:method:revision:)``: a missing resource is -32002, and the codes that only
    /// modern knows become -32603.
    package static func legacyAnswer(
        fromModern answer: Answer, method: String, revision: ProtocolRevision
    ) -> Answer {
        switch answer {
        case .result(let result):
            .result(legacyResult(fromModern: result, method: method, revision: revision))
        case .error(let error): .error(legacyError(fromModern: error, method: method))
        }
    }

    /// Params of a notification that comes with a call, as a client of an older revision may see them.
    package static func legacyNotification(
        fromModern params: JSON, method: String, revision: ProtocolRevision
    ) -> JSON {
        let params = withoutModernMeta(params)
        // 2024-11-05 has progress and total only.
        return method == Method.progress && revision < .v2025_03_26 ? params.removing("message") : params
    }

    /// `_meta` without the keys that only modern knows; `_meta` itself goes if it held nothing else.
    package static func withoutModernMeta(_ value: JSON) -> JSON {
        guard let meta = value["_meta"] else { return value }
        let rest = meta.removing(where: MetaKey.modernOnly.contains)
        if rest == meta { return value }
        return rest.members.isEmpty ? value.removing("_meta") : value.setting("_meta", to: rest)
    }
}

extension JSON {
    /// The object with one member changed; itself, to the byte, if the member is absent or comes out the same.
    func mapping(_ key: String, _ change: (JSON) -> JSON) -> JSON {
        guard let old = self[key] else { return self }
        let new = change(old)
        return new == old ? self : setting(key, to: new)
    }

    /// The object with each element of an array member changed; itself, to the byte, if none comes out different.
    func mappingElements(of key: String, _ change: (JSON) -> JSON) -> JSON {
        mapping(key) { array in
            guard array.kind == .array else { return array }
            let old = array.elements
            let new = old.map(change)
            return new == old ? array : .array(new)
        }
    }
}

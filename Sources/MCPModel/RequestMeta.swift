package import JSONSlice

/// What `params._meta` of a request says of the client and the connection.
///
/// A front reads it and strips it; a back writes its own. Other members of `_meta` travel untouched.
package struct RequestMeta: Hashable, Sendable {
    package var protocolVersion: String?
    package var clientCapabilities: JSON?
    package var clientInfo: JSON?
    package var logLevel: String?
    /// A string or an integer, to the byte.
    package var progressToken: JSON?
    package var traceparent: String?

    /// Reads what is there; a member of a wrong type counts as absent.
    package init(params: JSON?) {
        params?["_meta"]?.forEachMember { key, value in
            if key == MetaKey.protocolVersion {
                protocolVersion = value.string
            } else if key == MetaKey.clientCapabilities {
                clientCapabilities = value.kind == .object ? value : nil
            } else if key == MetaKey.clientInfo {
                clientInfo = value.kind == .object ? value : nil
            } else if key == MetaKey.logLevel {
                logLevel = value.string
            } else if key == MetaKey.progressToken {
                progressToken = RPCID(value)?.json
            } else if key == MetaKey.traceparent {
                traceparent = value.string
            }
        }
    }

    /// What a back puts into a request of a modern connection.
    package init(version: ProtocolRevision, client: ClientFacts, progressToken: JSON? = nil) {
        protocolVersion = version.rawValue
        clientCapabilities = client.capabilities
        clientInfo = client.info
        logLevel = client.logLevel
        self.progressToken = progressToken
        traceparent = client.traceparent
    }

    /// What a back puts into a request of a legacy session: the rest was said at `initialize`.
    package init(legacyProgressToken progressToken: JSON?, traceparent: String? = nil) {
        self.progressToken = progressToken
        self.traceparent = traceparent
    }

    /// The client in the terms that travel with the call.
    package var client: ClientFacts {
        ClientFacts(
            capabilities: clientCapabilities ?? .emptyObject, info: clientInfo, logLevel: logLevel,
            wantsProgress: progressToken != nil, traceparent: traceparent)
    }

    /// `params` without what belongs to the connection; `_meta` goes with its last member.
    package static func stripped(_ params: JSON) -> JSON {
        guard let meta = params["_meta"] else { return params }
        let rest = meta.removing(where: MetaKey.connectionBound.contains)
        if rest == meta { return params }
        return rest.members.isEmpty ? params.removing("_meta") : params.setting("_meta", to: rest)
    }

    /// `params` with the members that are set here added to, or replaced in, its `_meta`.
    package func written(into params: JSON) -> JSON {
        let old = params["_meta"].flatMap { $0.kind == .object ? $0 : nil } ?? .emptyObject
        var meta = old
        if let protocolVersion { meta = meta.setting(MetaKey.protocolVersion, to: .string(protocolVersion)) }
        if let clientCapabilities { meta = meta.setting(MetaKey.clientCapabilities, to: clientCapabilities) }
        if let clientInfo { meta = meta.setting(MetaKey.clientInfo, to: clientInfo) }
        if let logLevel { meta = meta.setting(MetaKey.logLevel, to: .string(logLevel)) }
        if let progressToken { meta = meta.setting(MetaKey.progressToken, to: progressToken) }
        if let traceparent { meta = meta.setting(MetaKey.traceparent, to: .string(traceparent)) }
        return meta == old ? params : params.setting("_meta", to: meta)
    }
}

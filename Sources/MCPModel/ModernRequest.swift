package import JSONSlice

/// A modern request that is refused before any method looks at it: the error, and its HTTP status.
package struct ModernRefusal: Error, Hashable, Sendable {
    package let error: RPCError
    package let status: Int

    package init(_ error: RPCError, status: Int? = nil) {
        self.error = error
        self.status = status ?? error.modernStatus
    }
}

/// A request of 2026-07-28 whose `_meta` and headers were checked.
package struct ModernRequest: Hashable, Sendable {
    package let id: RPCID
    package let method: String
    /// As the client sent them, `_meta` included.
    package let params: JSON
    package let meta: RequestMeta
    package let revision: ProtocolRevision

    /// - Parameter headers: of the HTTP request; `nil` on stdio, which has none.
    package init(_ message: RPCMessage, headers: MirroredHeaders.Lookup?) throws(ModernRefusal) {
        guard case .request(let id, let method, let params) = message else {
            throw ModernRefusal(.invalidRequest("a modern client sends requests, never responses"))
        }
        let meta = RequestMeta(params: params)
        let requested = try Self.version(meta, headers)
        // The version is looked at first: another one may have other rules for the rest.
        guard let revision = ProtocolRevision(rawValue: requested), revision.era == .modern else {
            throw ModernRefusal(.unsupportedVersion(requested: requested))
        }
        guard meta.protocolVersion != nil else { throw Self.missing(MetaKey.protocolVersion) }
        guard meta.clientCapabilities != nil else { throw Self.missing(MetaKey.clientCapabilities) }
        if let headers {
            do throws(RPCError) {
                try MirroredHeaders.check(headers, method: method, params: params ?? .emptyObject)
            } catch {
                throw ModernRefusal(error)
            }
        }
        if let level = meta.logLevel, !LogLevel.names.contains(level) {
            throw ModernRefusal(.invalidParams("\"\(level)\" is no log level"))
        }
        self.id = id
        self.method = method
        self.params = params ?? .emptyObject
        self.meta = meta
        self.revision = revision
    }

    /// One whose head was checked against a body that named the same tool.
    package init(_ plain: PlainToolCall) {
        id = plain.id
        method = Method.toolsCall
        params = plain.params
        meta = RequestMeta(
            version: .newestModern,
            client: ClientFacts(capabilities: plain.capabilities, info: plain.clientInfo))
        revision = .newestModern
    }

    /// Which era a message speaks. Modern: its `_meta` has a protocol version, or the header
    /// names one that is not legacy. `initialize` without modern `_meta` is legacy whatever the header says.
    package static func era(of message: RPCMessage, versionHeader: String?) -> Era {
        if RequestMeta(params: message.params).protocolVersion != nil { return .modern }
        guard message.method != Method.initialize, let versionHeader else { return .legacy }
        let version = MirroredHeaders.trimmed(versionHeader)
        if let revision = ProtocolRevision(rawValue: version) { return revision.era }
        // Revisions are dates: a later one than we know is a later modern one.
        return version > ProtocolRevision.newestLegacy.rawValue && version.utf8.count == 10
            ? .modern : .legacy
    }

    private static func version(
        _ meta: RequestMeta, _ headers: MirroredHeaders.Lookup?
    ) throws(ModernRefusal) -> String {
        guard let headers else {
            guard let version = meta.protocolVersion else { throw missing(MetaKey.protocolVersion) }
            return version
        }
        let header: String?
        do throws(RPCError) {
            header = try MirroredHeaders.single(MirroredHeaders.protocolVersion, headers)
        } catch {
            throw ModernRefusal(error)
        }
        guard let header else {
            throw ModernRefusal(.headerMismatch("\(MirroredHeaders.protocolVersion) is missing"))
        }
        if let version = meta.protocolVersion, version != header {
            throw ModernRefusal(
                .headerMismatch(
                    "\(MirroredHeaders.protocolVersion) is \"\(header)\", the body says \"\(version)\""))
        }
        return header
    }

    private static func missing(_ key: String) -> ModernRefusal {
        ModernRefusal(.invalidParams("params._meta lacks \"\(key)\""), status: 400)
    }
}

/// The eight levels of syslog (RFC 5424 §6.2.1), as MCP names them.
package enum LogLevel {
    /// From the most talkative to the most severe.
    package static let names = [
        "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency",
    ]

    /// Whether a message of one level passes where another is the least wanted. Unknown levels do not pass.
    package static func passes(_ level: String, least: String) -> Bool {
        guard let level = names.firstIndex(of: level), let least = names.firstIndex(of: least) else {
            return false
        }
        return level >= least
    }
}

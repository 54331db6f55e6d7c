package import JSONSlice

/// Where one server's resources are on an endpoint that shows several servers.
///
/// A URI `ORIGINAL` is shown as `martlet://SERVER/ORIGINAL`, and `ui://ORIGINAL`, whose scheme means something
/// to clients (MCP Apps), as `ui://SERVER/ORIGINAL`. The original stands in it as it is, so that a template's
/// expressions keep working and the way back is exact.
package struct ResourceSpace: Hashable, Sendable {
    /// `SERVER` or `NODE--SERVER`; `nil`: an endpoint of one server, where every URI and task id stays itself.
    package let authority: String?
    /// Where a definition says so, URIs stay themselves all the same (``ShownURIs/own``); task ids do not.
    package let keepsURIs: Bool

    private static let scheme = "martlet://"
    private static let interfaceScheme = "ui://"

    package init(authority: String?, keepsURIs: Bool = false) {
        self.authority = authority
        self.keepsURIs = keepsURIs || authority == nil
    }

    /// The URI, or URI template, that clients see.
    package func outward(_ uri: String) -> String {
        guard let authority, !keepsURIs else { return uri }
        return uri.hasPrefix(Self.interfaceScheme)
            ? "\(Self.interfaceScheme)\(authority)/\(uri.dropFirst(Self.interfaceScheme.count))"
            : "\(Self.scheme)\(authority)/\(uri)"
    }

    /// Takes an outward URI apart; `nil` when it is none of ours.
    package static func inward(_ uri: String) -> (authority: String, original: String)? {
        for scheme in [Self.scheme, interfaceScheme] where uri.hasPrefix(scheme) {
            let rest = uri.dropFirst(scheme.count)
            guard let slash = rest.firstIndex(of: "/") else { return nil }
            let original = String(rest[rest.index(after: slash)...])
            return (String(rest[..<slash]), scheme == interfaceScheme ? scheme + original : original)
        }
        return nil
    }

    // MARK: What servers send

    /// A definition as clients see it, apart from its own name: `_meta` may point at resources.
    func outward(definition: JSON) -> JSON { rewritingMeta(definition) }

    /// A backend's result with every URI that a client could come back with made outward: resource links and
    /// embedded resources (in tool results and prompt messages), contents that were read, `_meta` references.
    /// Everything else stays to the byte.
    package func outward(result: JSON) -> JSON {
        guard !keepsURIs else { return result }
        var result = rewritingMeta(result)
        result = rewriting("content", of: result) { block(in: $0) }
        result = rewriting("contents", of: result) { uri(in: $0) }
        return rewriting("messages", of: result) { message in
            switch message["content"]?.kind {
            case .array: rewriting("content", of: message) { block(in: $0) }
            case .object: replacing("content", of: message) { block(in: $0) }
            default: message
            }
        }
    }

    /// The params of `notifications/resources/updated`.
    package func outward(notification params: JSON) -> JSON { uri(in: params) }

    // MARK: -

    /// A content block (MCP, `ContentBlock`): a link carries its URI itself, an embedded resource inside.
    private func block(in content: JSON) -> JSON {
        switch content["type"]?.string {
        case "resource_link": uri(in: rewritingMeta(content))
        case "resource": replacing("resource", of: content) { uri(in: $0) }
        default: content
        }
    }

    private func uri(in object: JSON) -> JSON { replacing("uri", of: object, outwardText) }

    /// MCP Apps name a tool's interface as `_meta.ui.resourceUri`; earlier drafts and one vendor with a flat key.
    private func rewritingMeta(_ object: JSON) -> JSON {
        guard !keepsURIs else { return object }
        return replacing("_meta", of: object) { meta in
            var meta = replacing("ui", of: meta) { replacing("resourceUri", of: $0, outwardText) }
            for key in ["ui/resourceUri", "openai/outputTemplate"] {
                meta = replacing(key, of: meta, outwardText)
            }
            return meta
        }
    }

    private func outwardText(_ uri: JSON) -> JSON {
        uri.string.map { .string(outward($0)) } ?? uri
    }

    private func replacing(_ key: String, of object: JSON, _ change: (JSON) -> JSON) -> JSON {
        guard let old = object[key] else { return object }
        let new = change(old)
        return new == old ? object : object.setting(key, to: new)
    }

    /// Each element of the array under `key`; the array is written anew only if an element changed.
    private func rewriting(_ key: String, of object: JSON, _ change: (JSON) -> JSON) -> JSON {
        guard let array = object[key], array.kind == .array else { return object }
        let old = array.elements
        let new = old.map(change)
        return new == old ? object : object.setting(key, to: .array(new))
    }
}

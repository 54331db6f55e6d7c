import HTTPWire

/// A backend's URL, and the headers and query parameters that open it. Secrets are opened for each request and kept by nobody; the URL
/// that is shown is without them.
struct AuthorizedURL: Sendable {
    let url: HTTPURL
    private let headers: [(String, SecretText)]
    private let query: [(String, SecretText)]
    private let secrets: @Sendable (String) throws -> [UInt8]

    init(
        _ url: String, headers: [(String, SecretText)], query: [(String, SecretText)] = [],
        secrets: @escaping @Sendable (String) throws -> [UInt8]
    ) throws(BackendFault) {
        do throws(HTTPURLError) {
            self.url = try HTTPURL(url)
        } catch {
            throw BackendFault(.notReached, "\(error)")
        }
        self.headers = headers
        self.query = query
        self.secrets = secrets
    }

    /// A request to this URL, or to another of the same origin: the credential is meant for no other.
    ///
    /// - Parameter fields: what the protocol needs; wins over what was configured.
    func request(
        _ method: String, to other: HTTPURL? = nil, fields: [(String, String)], body: [UInt8] = [],
        timeout: Duration?
    ) throws(BackendFault) -> HTTPClientRequest {
        let place = other ?? url
        guard place.origin == url.origin else {
            throw BackendFault(.broken, "it names a URL of another origin, \(place.origin)")
        }
        let names = Set(fields.map { $0.0.lowercased() })
        var all: [(String, String)] = []
        var opened: [(String, [UInt8])] = []
        do {
            for (name, text) in headers where !names.contains(name.lowercased()) {
                all.append((name, String(decoding: try text.opened(with: secrets), as: UTF8.self)))
            }
            for (name, text) in query { opened.append((name, try text.opened(with: secrets))) }
        } catch {
            throw BackendFault(.sealed, "its credential cannot be opened: \(error)")
        }
        return HTTPClientRequest(
            opened.isEmpty ? place : place.setting(opened), method: method, headers: all + fields, body: body,
            timeout: timeout)
    }
}

import HTTPWire

/// A backend's URL, and the headers and query parameters that open it. Secrets are opened for each request and kept by nobody; the URL
/// that is shown is without them.
struct AuthorizedURL: Sendable {
    let url: HTTPURL
    private let headers: [(String, SecretText)]
    private let query: [(String, SecretText)]
    private let secrets: @Sendable (String) throws -> [UInt8]
    private let formers: FormerSecrets

    init(
        _ url: String, headers: [(String, SecretText)], query: [(String, SecretText)] = [],
        secrets: @escaping @Sendable (String) throws -> [UInt8], formers: FormerSecrets = .none
    ) throws(BackendFault) {
        self.formers = formers
        do throws(HTTPURLError) {
            self.url = try HTTPURL(url)
        } catch {
            throw BackendFault(.notReached, "\(error)")
        }
        self.headers = headers
        self.query = query
        self.secrets = secrets
    }

    /// Whether there is no secret to be opened for a request: each is the same then.
    var isPlain: Bool { (headers + query).allSatisfy(\.1.secretNames.isEmpty) }

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
        let own = headers.filter { !names.contains($0.0.lowercased()) }
        let make = { @Sendable [query] (open: (String) throws -> [UInt8]) throws -> HTTPClientRequest in
            let headers = try own.map { ($0.0, String(decoding: try $0.1.opened(with: open), as: UTF8.self)) }
            let parameters = try query.map { ($0.0, try $0.1.opened(with: open)) }
            return HTTPClientRequest(
                parameters.isEmpty ? place : place.setting(parameters), method: method,
                headers: headers + fields,
                body: body, timeout: timeout)
        }
        var request: HTTPClientRequest
        do { request = try make(secrets) } catch {
            throw BackendFault(unopened: error, of: "headers or query")
        }
        if (own + query).contains(where: { !$0.1.secretNames.isEmpty }) {
            request.again = { [formers, secrets] in formers.resend(secrets, make) }
        }
        return request
    }
}

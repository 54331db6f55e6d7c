import HTTPWire

/// A backend's URL and the headers that open it. Secrets are opened for each request and kept by nobody.
struct AuthorizedURL: Sendable {
    let url: HTTPURL
    private let headers: [(String, SecretText)]
    private let secrets: @Sendable (String) throws -> [UInt8]
    private let formers: FormerSecrets

    init(
        _ url: String, headers: [(String, SecretText)],
        secrets: @escaping @Sendable (String) throws -> [UInt8], formers: FormerSecrets = .none
    ) throws(BackendFault) {
        self.formers = formers
        do throws(HTTPURLError) {
            self.url = try HTTPURL(url)
        } catch {
            throw BackendFault(.notReached, "\(error)")
        }
        self.headers = headers
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
        do {
            for (name, text) in headers where !names.contains(name.lowercased()) {
                all.append((name, String(decoding: try text.opened(with: secrets), as: UTF8.self)))
            }
        } catch {
            throw BackendFault(unopened: error, of: "headers")
        }
        var request = HTTPClientRequest(
            place, method: method, headers: all + fields, body: body, timeout: timeout)
        let own = headers.filter { !names.contains($0.0.lowercased()) && !$0.1.secretNames.isEmpty }
        if !own.isEmpty {
            request.again = { [request, formers, secrets] in
                formers.resend(request, own, secrets)
            }
        }
        return request
    }
}

import Glibc
import HTTPWire
package import JSONSlice
import MCPModel
import MCPTransport

/// What a command asked of a node did not come about; printed as it stands.
package struct AdminClientError: Error, CustomStringConvertible {
    package let description: String

    /// Of control characters only line feeds stay: much of the text is a node's, and some of it was a backend's.
    package init(_ description: String) {
        var safe = String.UnicodeScalarView()
        for scalar in description.unicodeScalars {
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            safe.append(isControl && scalar != "\n" ? " " : scalar)
        }
        self.description = String(safe)
    }
}

/// A command's line to a running node's admin surface.
package final class AdminClient: Sendable {
    /// The longest a command waits for one answer; a call may take long, a hung node must not hold a shell for ever.
    package static let patience = Duration.seconds(600)

    private let base: String
    package let token: String
    private let http: HTTPClient

    /// - Parameters:
    ///   - isSecure: whether to speak TLS, with a server whose certificate the system's roots vouch for.
    ///   - certificate: the file of the very certificate that it shows, for a node of this host; then it is TLS.
    package init(address: String, token: String, isSecure: Bool = false, certificate: String? = nil) {
        base = (isSecure || certificate != nil ? "https://" : "http://") + address
        self.token = token
        http = HTTPClient(group: EventLoops.shared, pinned: certificate)
    }

    /// The path of segments that may hold anything: each is percent-encoded.
    package static func path(_ segments: String...) -> String {
        segments.map { "/" + PercentCoding.encode($0) }.joined()
    }

    /// Whether the environment names a node.
    package static var isNodeNamed: Bool { environment("MARTLET_NODE") != nil }

    /// The node that a command means: the one named, else `MARTLET_NODE`, else the one that runs here.
    ///
    /// One that does not run here is taken on a loopback address or by https only: else its token would cross the network for
    /// all to read.
    /// Its token is `MARTLET_TOKEN`, or what stands in the file that the running node named.
    package static func locate(address: String?) throws(AdminClientError) -> AdminClient {
        let nodes = RunningNode.all()
        let named = try (address ?? environment("MARTLET_NODE")).map(Self.place)
        let wanted = named?.address
        let isSecure = named?.isSecure ?? false
        let chosen: RunningNode?
        if let wanted {
            chosen = nodes.first { $0.admin == wanted }
        } else if nodes.count > 1 {
            chosen = nodes.first { $0.admin == "127.0.0.1:7331" }
            if chosen == nil {
                throw AdminClientError(
                    "several nodes run here (\(nodes.map(\.admin).joined(separator: ", "))); say which with --node"
                )
            }
        } else {
            chosen = nodes.first
        }
        if chosen == nil, let wanted, !isSecure, ListenAddress(wanted)?.isLoopback != true {
            throw AdminClientError(
                "\(wanted) is on another host, and without TLS its token would be readable on the way\n→ name it as https://\(wanted) if its listen.admin has tls, or open a tunnel, and name its end here: ssh -N -L 7331:127.0.0.1:7331 HOST, then --node 127.0.0.1:7331"
            )
        }
        guard let admin = chosen?.admin ?? wanted else {
            throw AdminClientError(
                "no node of this user runs here; start one with `martlet up`, or name one with --node")
        }
        if let token = environment("MARTLET_TOKEN") {
            return AdminClient(
                address: admin, token: token, isSecure: isSecure, certificate: chosen?.certificate)
        }
        guard let chosen else {
            throw AdminClientError(
                "no token for the node at \(admin); set MARTLET_TOKEN to what stands in its admin.token")
        }
        guard let bytes = SmallFile.read(chosen.tokenFile) else {
            throw AdminClientError(
                "cannot read \(chosen.tokenFile), the token of the node at \(admin); run as its user, or set MARTLET_TOKEN"
            )
        }
        let token = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
        return AdminClient(address: admin, token: token, isSecure: isSecure, certificate: chosen.certificate)
    }

    /// - Parameter text: `host:port`, or a URL of scheme http or https with nothing after the port.
    private static func place(_ text: String) throws(AdminClientError) -> (address: String, isSecure: Bool) {
        var isSecure = false
        var rest = Substring(text)
        if let mark = text.firstRange(of: "://") {
            let scheme = text[..<mark.lowerBound].lowercased()
            guard ["http", "https"].contains(scheme) else {
                throw AdminClientError(
                    "--node \(text): the admin surface speaks http and https\n→ write https://HOST:PORT, or HOST:PORT alone"
                )
            }
            isSecure = scheme == "https"
            rest = text[mark.upperBound...]
            if rest.hasSuffix("/") { rest.removeLast() }
        }
        guard ListenAddress(rest) != nil else {
            throw AdminClientError("--node: expected HOST:PORT, as in 127.0.0.1:7331, found \"\(text)\"")
        }
        return (String(rest), isSecure)
    }

    package func get(_ path: String) async throws -> JSON { try await ask("GET", path, nil) }
    package func post(_ path: String, _ body: JSON) async throws -> JSON { try await ask("POST", path, body) }
    package func put(_ path: String, _ body: JSON) async throws -> JSON { try await ask("PUT", path, body) }
    package func delete(_ path: String) async throws -> JSON { try await ask("DELETE", path, nil) }

    package func close() async { await http.shutdown() }

    private func ask(_ method: String, _ path: String, _ body: JSON?) async throws -> JSON {
        let request = try self.request(method, path, body)
        let head: HTTPResponseHead
        let bytes: [UInt8]
        do {
            (head, bytes) = try await http.collect(request)
        } catch {
            throw unreachable(error)
        }
        let answer: JSON
        do {
            answer = try JSON(validating: bytes)
        } catch {
            throw AdminClientError("what answers at \(base) is not a martlet node (HTTP \(head.status))")
        }
        guard (200..<300).contains(head.status) else { throw Self.failure(answer, status: head.status) }
        return answer
    }

    /// Posts and reads the streamed answer: each notice as it comes, the final value at the end.
    package func call(
        _ path: String, _ body: JSON, notice: @escaping @Sendable (JSON) -> Void
    ) async throws -> JSON {
        try await stream(try request("POST", path, body), notice: notice)
    }

    /// Reads a stream for as long as the node tells something: each notice as it comes.
    package func follow(_ path: String, notice: @escaping @Sendable (JSON) -> Void) async throws {
        var request = try request("GET", path, nil)
        request.timeout = nil
        _ = try await stream(request, notice: notice)
    }

    private func stream(
        _ request: HTTPClientRequest, notice: @escaping @Sendable (JSON) -> Void
    ) async throws -> JSON {
        let (events, continuation) = AsyncThrowingStream<HTTPClientEvent, any Error>.makeStream()
        let handle = http.send(request) { event in
            continuation.yield(event)
            switch event {
            case .end, .failed: continuation.finish()
            default: break
            }
        }
        continuation.onTermination = { _ in handle.cancel() }
        var parser = SSEParser()
        var status = 200
        var refused: [UInt8] = []
        for try await event in events {
            switch event {
            case .head(let head): status = head.status
            case .failed(let error): throw unreachable(error)
            case .end: break
            case .body(let bytes):
                guard status == 200 else {
                    refused += bytes
                    continue
                }
                for item in try parser.push(bytes) {
                    let json = try JSON(validating: item.data)
                    switch item.type {
                    case "final": return json
                    case "failed": throw Self.failure(json, status: 200)
                    default: notice(json)
                    }
                }
            }
        }
        if status != 200, let answer = try? JSON(validating: refused) {
            throw Self.failure(answer, status: status)
        }
        throw AdminClientError("the node ended the answer before it was complete; see its log")
    }

    private func request(_ method: String, _ path: String, _ body: JSON?) throws -> HTTPClientRequest {
        var headers = [
            ("Authorization", "Bearer \(token)"), ("Accept", "application/json, text/event-stream"),
        ]
        if body != nil { headers.append(("Content-Type", "application/json")) }
        return HTTPClientRequest(
            try HTTPURL(base + path), method: method, headers: headers,
            body: body.map { Array($0.bytes) } ?? [],
            timeout: Self.patience)
    }

    private func unreachable(_ error: any Error) -> AdminClientError {
        AdminClientError(
            "no node answers at \(base): \(error)\n→ start one with `martlet up`, or name another with --node"
        )
    }

    private static func failure(_ answer: JSON, status: Int) -> AdminClientError {
        let error = answer["error"]
        // The listener itself refuses in one sentence, and keeps its hint beside it.
        let message = error?["message"]?.string ?? error?.string ?? "the node answered HTTP \(status)"
        let hint = error?["hint"]?.string ?? answer["hint"]?.string
        return AdminClientError(hint.map { "\(message)\n→ \($0)" } ?? message)
    }

    private static func environment(_ name: String) -> String? {
        getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }
}

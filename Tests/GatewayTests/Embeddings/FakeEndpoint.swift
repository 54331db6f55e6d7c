import Catalog
import Composition
import Foundation
import JSONSlice
import MCPTransport
import NIOPosix
import Synchronization

@testable import Gateway

/// An embeddings endpoint in this process that answers as a test wants it to.
final class FakeEndpoint: Sendable {
    enum Reply: Sendable {
        /// As it should be: what is about letters, about weather, and about something else.
        case right
        /// The same of another model.
        case of(model: String)
        case status(Int, headers: [(String, String)] = [])
        case body(String)
        case silence
    }

    struct Asked: Sendable {
        var texts: [String]
        var authorization: String?
    }

    private let reply: Mutex<Reply>
    private let heard = Mutex<[Asked]>([])
    /// Held, since one that nobody holds is answered by the listener.
    private let unanswered = Mutex<[HTTPExchange]>([])
    private let listener = Mutex<HTTPListener?>(nil)

    var asked: [Asked] { heard.withLock { $0 } }
    var textsAsked: [String] { asked.flatMap(\.texts) }
    var url: String { "http://\(listener.withLock { $0?.address.description } ?? "")/v1/embeddings" }

    private init(_ reply: Reply) { self.reply = Mutex(reply) }

    static func start(_ reply: Reply = .right) async throws -> FakeEndpoint {
        let endpoint = FakeEndpoint(reply)
        let listener = try await HTTPListener.bind(
            ListenAddress(host: "127.0.0.1", port: 0), group: MultiThreadedEventLoopGroup.singleton
        ) { endpoint.answer($0) }
        endpoint.listener.withLock { $0 = listener }
        return endpoint
    }

    func stop() async { await listener.withLock { $0 }?.close() }

    func change(to reply: Reply) { self.reply.withLock { $0 = reply } }

    private func answer(_ exchange: HTTPExchange) {
        let request = (try? JSON(validating: exchange.body)) ?? .null
        let texts = request["input"]?.elements.compactMap(\.string) ?? []
        heard.withLock {
            $0.append(Asked(texts: texts, authorization: exchange.headers.first("Authorization")))
        }
        switch reply.withLock({ $0 }) {
        case .right: exchange.respond(status: 200, body: Self.vectors(texts, model: "fake"))
        case .of(let model): exchange.respond(status: 200, body: Self.vectors(texts, model: model))
        case .status(let status, let headers): exchange.respond(status: status, headers: headers)
        case .body(let text): exchange.respond(status: 200, body: Array(text.utf8))
        case .silence: unanswered.withLock { $0.append(exchange) }
        }
    }

    private static func vectors(_ texts: [String], model: String) -> [UInt8] {
        let data = texts.enumerated().map { place, text -> JSON in
            let about = [["letter", "wax"], ["weather", "umbrella"]].map { words in
                words.contains { text.lowercased().contains($0) } ? 1 : 0
            }
            let vector = about + [about.contains(1) ? 0 : 1, 0]
            return ["index": .number(place), "embedding": .array(vector.map { JSON.number($0) })]
        }
        return Array(JSON.object([("model", .string(model)), ("data", .array(data))]).bytes)
    }
}

/// Not so in time.
struct NeverSo: Error { let what: String }

func eventually(_ what: String, _ isSo: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while !(try await isSo()) {
        guard ContinuousClock.now < deadline else { throw NeverSo(what: what) }
        try await Task.sleep(for: .milliseconds(2))  // a condition with a deadline
    }
}

import HTTPWire
package import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// The short way to one tool of a modern backend over HTTP: what is the same for every call of it, made ready once.
///
/// Good for one connection of the backend's, and as long as the backend has it: ``enter()`` says so.
package final class BackendLane: Sendable {
    /// How a call leaves.
    enum Exit: Hashable, Sendable {
        /// It was answered.
        case answered
        /// Its caller went; the backend sees that by the end of the connection.
        case cancelled
        /// It goes on by the long way, and keeps its place.
        case carried
    }

    let backend: Backend
    let connection: Backend.Connection
    let users: LaneUsers
    let http: HTTPClient
    /// Of an answer.
    let limits: MessageLimits
    /// The backend's own name of the tool, as a JSON string.
    let name: JSON
    /// The request without its body.
    let request: SentRequest
    /// Up to the digits of the body's length.
    private let head: [UInt8]

    init(
        _ backend: Backend, _ connection: Backend.Connection, _ link: HTTPLink, name: JSON,
        _ request: HTTPClientRequest
    ) {
        self.backend = backend
        self.connection = connection
        users = link.users
        http = link.client.http
        limits = link.limits.message
        self.name = name
        self.request = SentRequest(request)
        var buffer = ByteBuffer()
        request.head.encode(framing: .length(0), into: &buffer)
        // Less the 0 and the two line ends behind it.
        head = Array(buffer.readableBytesView.dropLast(5))
    }

    /// ``name``, for whoever has it from elsewhere.
    package var toolName: JSON { name }

    /// Takes a place among the backend's calls.
    ///
    /// - Returns: the call's number; `nil` where it has to go the long way: the backend has another connection or none, or no place.
    func enter() -> Int? {
        backend.state.withLock { state in
            guard state.connection?.number == connection.number, state.callsOpen < backend.limits.callsMax
            else {
                return nil
            }
            state.callsOpen += 1
            state.shortCalls += 1
            state.lastNumber += 1
            _ = state.health.heard(.began, at: .now)
            return state.lastNumber
        }
    }

    func leave(_ exit: Exit, at now: ContinuousClock.Instant = .now) {
        let mustTell = backend.state.withLock { state in
            let isNews = exit == .answered ? state.health.heard(.answered, at: now) : false
            _ = state.health.heard(.ended, at: now)
            if exit != .carried { state.callsOpen -= 1 }
            return isNews
        }
        backend.tell(mustTell)
    }

    /// Whether the backend still has the connection that this is good for.
    var isOpen: Bool { backend.connectionNumber == connection.number }

    /// How long a call may be silent.
    var patience: Duration { min(backend.limits.silenceMax, backend.limits.callMax) }

    /// The request as it goes over the wire.
    func bytes(_ body: [UInt8]) -> ByteBuffer {
        var buffer = ByteBufferAllocator().buffer(capacity: head.count + body.count + 24)
        buffer.writeBytes(head)
        buffer.writeString(String(body.count))
        buffer.writeStaticString("\r\n\r\n")
        buffer.writeBytes(body)
        return buffer
    }
}

extension Backend {
    /// The short way to a tool; `nil` where there is none: another transport or era, a tool whose arguments are mirrored in headers, a
    /// credential that is opened for each request.
    package func lane(toTool tool: String) -> BackendLane? {
        guard let connection = state.withLock({ $0.connection }),
            connection.greeting.revision == .newestModern,
            connection.parameters[tool] == nil, connection.refusedTools[tool] == nil,
            let link = connection.link.httpLink, client.tokens == nil
        else { return nil }
        let name = JSON.string(tool)
        let mirrored = MirroredHeaders(
            version: connection.greeting.revision.rawValue, method: Method.toolsCall, params: ["name": name])
        guard let request = link.plainRequest(mirrored) else { return nil }
        return BackendLane(self, connection, link, name: name, request)
    }
}

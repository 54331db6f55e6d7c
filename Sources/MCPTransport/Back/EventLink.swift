import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// A backend that speaks HTTP+SSE of 2024-11-05: everything it says comes on one stream,
/// everything we say is POSTed to the URL that the stream's first event names. The stream's end is the
/// link's.
final class EventLink: BackendLink {
    /// Its only session lives as long as the link.
    var sessionNumber: Int { 0 }

    private let poster: Poster
    private let requests: OpenRequests
    private let stream = Mutex<HTTPClientHandle?>(nil)

    private init(
        _ door: AuthorizedURL, _ client: BackendClient, _ limits: BackendLimits, on loop: any EventLoop,
        _ news: @escaping @Sendable (LinkNews) -> Void
    ) {
        let poster = Poster(door, client)
        self.poster = poster
        requests = OpenRequests(on: loop, limits, news: news) { poster.post($0) { _ in } }
    }

    /// Opens the stream and waits for the URL to post to.
    static func open(
        _ door: AuthorizedURL, client: BackendClient, limits: BackendLimits, on loop: any EventLoop,
        news: @escaping @Sendable (LinkNews) -> Void
    ) async throws(BackendFault) -> EventLink {
        let link = EventLink(door, client, limits, on: loop, news)
        let opened = Once<Result<HTTPURL, BackendFault>>()
        let parser = Mutex(SSEParser(limit: limits.message.bytesMax, overLimit: .leavesOut))
        let outgoing = try door.request("GET", fields: [("Accept", "text/event-stream")], timeout: nil)
        let end: @Sendable (BackendFault) -> Void = { [weak link] fault in
            opened.finish(.failure(fault))
            link?.requests.end(fault, isNews: true)
        }
        let handle = client.send(outgoing) { [weak link] event in
            switch event {
            case .head(let head):
                let type = head.headers.first("content-type")?.lowercased() ?? ""
                guard head.status == 200, type.hasPrefix("text/event-stream") else {
                    return end(
                        head.status == 401 || head.status == 403
                            ? BackendFault(.authNeeded, "it wants another credential (HTTP \(head.status))")
                            : BackendFault(
                                .refused(status: head.status),
                                (300..<400).contains(head.status)
                                    ? BackendFault.redirection(head.status)
                                    : "it answers HTTP \(head.status) and offers no stream of events"))
                }
            case .body(let bytes):
                let (events, leftOut) = parser.withLock { parser in
                    ((try? parser.push(bytes)) ?? [], parser.takeLeftOut())
                }
                for skim in leftOut { link?.requests.takeTooLong(skim) }
                for event in events {
                    guard event.type == "endpoint" else {
                        link?.requests.take(event.data)
                        continue
                    }
                    do throws(HTTPURLError) {
                        opened.finish(.success(try door.url.resolving(event.text)))
                    } catch {
                        end(BackendFault(.broken, "it names no URL to post to: \(error)"))
                    }
                }
            case .end: end(BackendFault(.lost, "its stream ended"))
            case .failed(let error):
                end(
                    BackendFault(credential: error)
                        ?? BackendFault(error.notSent ? .notReached : .lost, "\(error)"))
            }
        }
        link.stream.withLock { $0 = handle }
        let timer = loop.scheduleTask(in: TimeAmount(limits.probeTimeout)) {
            opened.finish(.failure(BackendFault(.timedOut, "its stream does not say where to post")))
        }
        let outcome = await opened.wait(
            cancelled: .failure(BackendFault(.cancelled, "the gateway stopped waiting")))
        timer.cancel()
        do throws(BackendFault) {
            let place = try outcome.get()
            // Refuses another origin before anything is sent there.
            _ = try door.request("POST", to: place, fields: [], timeout: nil)
            link.poster.setPlace(place)
            return link
        } catch {
            _ = await link.close()
            throw error
        }
    }

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        guard requests.admit(request, sink) else { return .finished }
        let message = RPCMessage.request(
            id: RPCID(request.number), method: request.method, params: request.params)
        poster.post(message) { [weak self] fault in self?.requests.fail(request.number, fault) }
        return CallHandle { [weak self] in self?.requests.cancel(request.number) }
    }

    func notify(_ method: String, _ params: JSON?) {
        poster.post(.notification(method: method, params: params)) { _ in }
    }

    func announce(_ method: String) async {
        let taken = Once<Void>()
        poster.post(.notification(method: method, params: nil), onTaken: { taken.finish(()) }) { _ in
            taken.finish(())
        }
        await taken.wait(cancelled: ())
    }

    func respond(_ message: RPCMessage) { poster.post(message) { _ in } }

    func settle(_ revision: ProtocolRevision) {}

    /// The stream is watched from its opening on.
    func attend() async {
        try? await Task.sleep(for: .seconds(Int64(Int32.max)))
    }

    func close() async -> String? {
        requests.end(BackendFault(.lost, "the connection was closed"), isNews: false)
        stream.withLock { $0 }?.cancel()
        return nil
    }
}

/// The way to the backend of an ``EventLink``.
private final class Poster: Sendable {
    /// What a POST may take: its answer says only that the message has come.
    private static let timeout = Duration.seconds(30)

    private let door: AuthorizedURL
    private let client: BackendClient
    private let place = Mutex<HTTPURL?>(nil)

    init(_ door: AuthorizedURL, _ client: BackendClient) {
        self.door = door
        self.client = client
    }

    func setPlace(_ url: HTTPURL) { place.withLock { $0 = url } }

    /// - Parameters:
    ///   - onTaken: called if the backend has the message.
    ///   - onFault: called if the message did not come through; the answer itself comes on the stream.
    func post(
        _ message: RPCMessage, onTaken: @escaping @Sendable () -> Void = {},
        onFault: @escaping @Sendable (BackendFault) -> Void
    ) {
        let outgoing: HTTPClientRequest
        do throws(BackendFault) {
            outgoing = try door.request(
                "POST", to: place.withLock { $0 }, fields: [("Content-Type", "application/json")],
                body: Array(message.json.bytes), timeout: Self.timeout)
        } catch {
            return onFault(error)
        }
        _ = client.send(outgoing) { event in
            switch event {
            case .head(let head) where head.status == 401 || head.status == 403:
                onFault(BackendFault(.authNeeded, "it wants another credential (HTTP \(head.status))"))
            case .head(let head) where head.status >= 300:
                onFault(.status(head.status))
            case .failed(let error):
                onFault(
                    BackendFault(credential: error)
                        ?? BackendFault(error.notSent ? .notReached : .lost, "\(error)"))
            case .head: onTaken()
            case .body, .end: break
            }
        }
    }
}

import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import NIOPosix
import Synchronization

/// The session's own stream of a legacy backend: what it says there belongs to no request.
extension HTTPLink {
    /// Waits of the session's own stream between two attempts; it is a convenience, not the way of calls.
    private static let streamRetry = (from: Duration.seconds(1), to: Duration.seconds(60))

    func settle(_ revision: ProtocolRevision) {
        let nap = state.withLock { state in
            state.revision = revision
            state.handshakes += 1
            return state.nap
        }
        // A new session is listened to at once.
        nap?.finish(())
    }

    /// Listens on the stream of a legacy session for changes of lists; a server without one is left in peace.
    func attend() async {
        defer { attentive.finish(()) }
        guard state.withLock({ $0.revision?.era }) == .legacy else { return }
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let late = loop.scheduleTask(in: TimeAmount(limits.attentionMax)) { [weak self] () -> Void in
            self?.attentive.finish(())
        }
        defer { late.cancel() }
        var backoff = Backoff(from: Self.streamRetry.from, to: Self.streamRetry.to)
        while !Task.isCancelled {
            let (began, session) = (ContinuousClock.now, state.withLock { $0.handshakes })
            guard await followStream() else { return }
            if began.duration(to: .now) > Self.streamRetry.to { backoff.reset() }
            let place = state.withLock { $0.ownPlace }
            let usual = backoff.next(chance: Double.random(in: 0...1))
            if await isRenewed(after: place.hasAdvanced ? place.wait : usual, since: session) {
                backoff.reset()
            }
        }
    }

    func whenAttentive() async { await attentive.wait(cancelled: ()) }

    /// Waits, but not longer than until there is another session than that one.
    private func isRenewed(after time: Duration, since session: Int) async -> Bool {
        let nap = Once<Void>()
        let isRenewed = state.withLock { state in
            state.nap = nap
            return state.handshakes != session
        }
        if isRenewed { return true }
        let loop =
            MultiThreadedEventLoopGroup.currentEventLoop ?? MultiThreadedEventLoopGroup.singleton.next()
        let timer = loop.scheduleTask(in: TimeAmount(time)) { nap.finish(()) }
        await nap.wait(cancelled: ())
        timer.cancel()
        return state.withLock { $0.handshakes != session }
    }

    /// - Returns: whether it is worth another attempt.
    private func followStream() async -> Bool {
        let place = state.withLock { state in
            state.ownPlace = state.ownPlace.again
            return state.ownPlace
        }
        let session = sessionNumber
        guard
            let outgoing = try? outgoing(
                "GET", body: nil, mirrored: nil, isHandshake: false, isEndless: true, resuming: place)
        else { return false }
        let ended = Once<Bool>()
        let message = limits.message
        let parser = Mutex(SSEParser(limit: message.bytesMax, overLimit: .leavesOut))
        let handle = client.send(outgoing) { [weak self] event in
            switch event {
            case .head(let head):
                self?.attentive.finish(())
                let isStream =
                    head.status == 200
                    && head.headers.first("content-type")?.lowercased().hasPrefix("text/event-stream") == true
                if isStream {
                    self?.state.withLock { $0.streamedSession = $0.sessionID }
                    // A stream that is resumed has lost nothing.
                    if place.lastEventID == nil { self?.news(.hearing) }
                    return
                }
                // It had a stream and has none now, so it is not the session that it was: a server that began anew.
                let isForgotten =
                    self?.state.withLock { $0.sessionID != nil && $0.streamedSession == $0.sessionID }
                    ?? false
                if isForgotten, head.status == 404 || (head.status == 400 && place.lastEventID == nil) {
                    self?.state.withLock { $0.streamedSession = nil }
                    self?.news(.sessionGone(session))
                }
                // Not at that place, perhaps, but anew.
                let isPlaceLost = place.lastEventID != nil && head.status == 400
                self?.state.withLock { $0.ownPlace = StreamPlace() }
                // 404: the session is gone, and the next request will open another.
                ended.finish(head.status >= 500 || head.status == 404 || isPlaceLost || isForgotten)
            case .body(let bytes):
                let read = parser.withLock { parser in
                    (try? parser.push(bytes)).map {
                        ($0, parser.takeLeftOut().count, parser.lastEventID, parser.retry)
                    }
                }
                guard let (events, leftOut, id, retry) = read else { return ended.finish(false) }
                self?.state.withLock { $0.ownPlace.advance(to: id, retry: retry) }
                if leftOut > 0 { self?.news(.noise("a message of more than \(message.bytesText)")) }
                for event in events { self?.takeFromStream(event, in: session) }
            case .end, .failed:
                ended.finish(true)
            }
        }
        let mayRetry = await ended.wait(cancelled: false)
        handle.cancel()
        return mayRetry
    }

    private func takeFromStream(_ event: SSEEvent, in session: Int) {
        guard let document = try? JSON(validating: event.data[...], limits: limits.message.json),
            let message = try? RPCMessage(document)
        else { return }
        switch message {
        case .notification(let method, let params):
            if let change = ListChange(method: method) {
                news(.changed(change))
            } else if method == Method.resourcesUpdated, let params {
                news(.updated(params))
            } else if method == Method.tasksStatus, let params {
                news(.taskStatus(params, session: session))
            } else if Method.isForeignNotification(method) {
                // Calls have streams of their own here, so what is meant for one does not come on this.
                news(.stray(method: method))
            }
        case .request(let id, let method, let params):
            asked(BackendQuestion(id: id, method: method, params: params))
        case .response, .errorResponse: break
        }
    }
}

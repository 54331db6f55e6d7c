import MCPModel
import Synchronization

/// One connection to a legacy backend beside its first: opened for a call, kept for the next ones, closed when nobody
/// has used it for a while.
final class AskingSession: Sendable {
    typealias Waiter = @Sendable (Result<any BackendLink, BackendFault>) -> Void

    private enum Phase: Sendable {
        case opening([Waiter])
        case open(any BackendLink)
        case over(BackendFault)
    }

    let number: Int
    let declared: DeclaredCapabilities
    private let phase = Mutex(Phase.opening([]))
    private let end = Once<BackendFault>()
    private let gone = Once<Void>()
    private let onGone = Mutex<(@Sendable () -> Void)?>(nil)

    init(_ number: Int, _ declared: DeclaredCapabilities) {
        self.number = number
        self.declared = declared
    }

    /// Hands over the link as soon as it is there; at once, if it is already.
    func whenOpen(_ waiter: @escaping Waiter) {
        let known: Result<any BackendLink, BackendFault>? = phase.withLock { phase in
            switch phase {
            case .opening(let waiters):
                phase = .opening(waiters + [waiter])
                return nil
            case .open(let link): return .success(link)
            case .over(let fault): return .failure(fault)
            }
        }
        if let known { waiter(known) }
    }

    /// Has `body` called when the link is closed, and its child, if it has one, has ended. To be set before it begins.
    func whenGone(_ body: @escaping @Sendable () -> Void) { onGone.withLock { $0 = body } }

    /// Ends it before it has begun.
    func refuse(_ fault: BackendFault) {
        settle(.failure(fault))
        leave()
    }

    /// Has ``live(after:open:onEnd:)`` come to its end.
    func close(_ fault: BackendFault) { end.finish(fault) }

    /// The session from start to end.
    ///
    /// - Parameters:
    ///   - predecessor: has to be gone before this one may start: together they would be too many.
    ///   - onEnd: called once nothing more may be sent, before the link is closed.
    func live(
        after predecessor: AskingSession?,
        open: @Sendable (AskingSession) async throws(BackendFault) -> any BackendLink,
        onEnd: @Sendable () -> Void
    ) async {
        defer { leave() }
        if let predecessor { await predecessor.gone.wait(cancelled: ()) }
        let link: any BackendLink
        do throws(BackendFault) {
            link = try await open(self)
        } catch {
            onEnd()
            return settle(.failure(error))
        }
        let stopped = BackendFault(.cancelled, "the gateway stopped it")
        let fault = await withTaskGroup { tasks in
            tasks.addTask { await link.attend() }
            defer { tasks.cancelAll() }
            await link.whenAttentive()
            settle(.success(link))
            return await end.wait(cancelled: stopped)
        }
        onEnd()
        phase.withLock { $0 = .over(fault) }
        _ = await link.close()
    }

    private func leave() {
        gone.finish(())
        onGone.withLock { body in
            defer { body = nil }
            return body
        }?()
    }

    private func settle(_ outcome: Result<any BackendLink, BackendFault>) {
        let waiters: [Waiter] = phase.withLock { phase in
            guard case .opening(let waiters) = phase else { return [] }
            switch outcome {
            case .success(let link): phase = .open(link)
            case .failure(let fault): phase = .over(fault)
            }
            return waiters
        }
        for waiter in waiters { waiter(outcome) }
    }
}

import CResolve
import Synchronization

/// Asks the system's resolver for SRV records, on threads of its own: it blocks for as long as its servers are silent.
package struct SRVLookup: Sendable {
    /// Seconds for one attempt, and attempts at each server.
    private static let timeout: Int32 = 3
    private static let attempts: Int32 = 2
    /// Bytes of an answer: what a DNS message over TCP may have.
    private static let answerMax = 65_535

    /// Where to ask in place of what /etc/resolv.conf says.
    private let server: (address: String, port: UInt16)?

    package init(server: (address: String, port: UInt16)? = nil) { self.server = server }

    /// Returns at once when the task is cancelled; the thread then ends by itself, and its answer is dropped.
    package func callAsFunction(_ name: String) async -> SRVSeed.Outcome {
        let pending = Pending()
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                pending.wait(continuation)
                let started = DetachedThread.start { [server] in pending.end(Self.ask(name, at: server)) }
                if !started { pending.end(.failed(reason: "no thread could be started for the lookup")) }
            }
        } onCancel: {
            pending.end(.failed(reason: "the node is stopping"))
        }
    }

    private static func ask(
        _ name: String, at server: (address: String, port: UInt16)?
    ) -> SRVSeed.Outcome {
        var answer = [UInt8](repeating: 0, count: answerMax)
        var length = 0
        let outcome = cresolve_srv(
            name, server?.address, server?.port ?? 0, timeout, attempts, &answer, answer.count, &length)
        switch outcome {
        case CRESOLVE_ANSWERED:
            guard let read = SRVAnswer(message: answer.prefix(length)) else {
                return .failed(reason: "the answer of the DNS server cannot be read")
            }
            return .answered(read)
        case CRESOLVE_NOTHING: return .nothing
        case CRESOLVE_NO_ANSWER: return .failed(reason: "no DNS server answers; see /etc/resolv.conf")
        default: return .failed(reason: "the DNS server refuses, or there is none; see /etc/resolv.conf")
        }
    }

    /// Who waits for a lookup: told once, by whatever comes first.
    private final class Pending: Sendable {
        private enum State {
            case idle
            case waiting(CheckedContinuation<SRVSeed.Outcome, Never>)
            case over(SRVSeed.Outcome)
        }

        private let state = Mutex(State.idle)

        func wait(_ continuation: CheckedContinuation<SRVSeed.Outcome, Never>) {
            let early: SRVSeed.Outcome? = state.withLock { state in
                if case .over(let outcome) = state { return outcome }
                state = .waiting(continuation)
                return nil
            }
            if let early { continuation.resume(returning: early) }
        }

        func end(_ outcome: SRVSeed.Outcome) {
            let waiter: CheckedContinuation<SRVSeed.Outcome, Never>? = state.withLock { state in
                defer { state = .over(outcome) }
                if case .waiting(let continuation) = state { return continuation }
                return nil
            }
            waiter?.resume(returning: outcome)
        }
    }
}

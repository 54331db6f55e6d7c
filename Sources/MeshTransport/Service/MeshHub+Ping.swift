package import Catalog
package import Mesh
import NIOCore

/// A node's answer, and how it came.
package struct PingAnswer: Hashable, Sendable {
    /// The ids crossed, the node itself last.
    package var path: [NodeID]
    /// From question to answer, both ends' work included.
    package var roundTrip: Duration
    /// What it took to have a link; a circuit is opened when there is none.
    package var setup: Duration
}

/// Why a node did not answer.
package enum PingFailure: Error, Hashable, Sendable, CustomStringConvertible {
    case noWay(String)
    /// A link is up, and nothing came back over it.
    case silent(Duration)
    /// The link went before the answer came.
    case broken
    /// Its software does not know the question.
    case tooOld(String)
    case tooMany

    package var description: String {
        switch self {
        case .noWay(let why): why
        case .silent(let time): "a link to it is up, but no answer came in \(time)"
        case .broken: "the link to it broke before the answer came; ask again"
        case .tooOld(let software): "it runs \(software), which does not answer pings; a link to it is up"
        case .tooMany: "too many pings wait for their answers on that link already"
        }
    }
}

/// One question to one node, on the mesh's loop: finds a link as a call does, and times the answer.
final class PingAttempt: LinkSeeker {
    /// A circuit over eight nodes and an answer on a bad day; longer, a person thinks that we hang.
    static let patience = Duration.seconds(5)
    /// Answers that a measurement takes.
    static let samples = 3

    let owner: NodeID
    private let begun: Instant
    private let now: @Sendable () -> Instant
    private let outcome: EventLoopPromise<PingAnswer>
    private var deadline: Scheduled<Void>?
    private var isOver = false
    private var isAsked = false

    init(_ node: NodeID, hub: MeshHub, outcome: EventLoopPromise<PingAnswer>) {
        owner = node
        now = hub.setup.now
        begun = now()
        self.outcome = outcome
        deadline = hub.loop.assumeIsolated().scheduleTask(in: TimeAmount(Self.patience)) {
            self.end(
                .failure(
                    self.isAsked
                        ? .silent(Self.patience) : .noWay("no link to it came about in \(Self.patience)")))
        }
    }

    var wantsWay: Bool { !isOver && !isAsked }

    func go(on link: LinkHandler) {
        guard wantsWay, let hello = link.hello else { return }
        let asked = now()
        let path = (link.setup.circuit ?? []) + [owner]
        isAsked = link.ping { isAnswered in
            guard isAnswered else { return self.end(.failure(.broken)) }
            let done = self.now()
            self.end(.success(PingAnswer(path: path, roundTrip: done - asked, setup: asked - self.begun)))
        }
        guard !isAsked else { return }
        end(.failure(hello.features & Hello.answersPings == 0 ? .tooOld(hello.software) : .tooMany))
    }

    func noWay(_ obstacle: CallCourse.Obstacle) {
        switch obstacle {
        case .unreachable: end(.failure(.noWay("no path leads to it now")))
        case .noPath(let text), .limited(let text), .tooLarge(let text), .final(let text):
            end(.failure(.noWay(text)))
        }
    }

    private func end(_ result: Result<PingAnswer, PingFailure>) {
        guard !isOver else { return }
        isOver = true
        deadline?.cancel()
        deadline = nil
        outcome.completeWith(result.mapError { $0 })
    }
}

extension MeshService {
    /// Asks a node for a sign of life, over the way that a call to it would take.
    ///
    /// - Throws: ``PingFailure``, after ``PingAttempt/patience`` at the latest.
    package nonisolated func ping(_ node: NodeID) async throws -> PingAnswer {
        let outcome = loop.makePromise(of: PingAnswer.self)
        let hub = hub
        loop.execute { hub.dispatch(PingAttempt(node, hub: hub, outcome: outcome)) }
        return try await outcome.futureResult.get()
    }

    /// From here to each node of a path and back, as its answers take: the best of a few, since a busy moment says
    /// nothing of the way.
    ///
    /// - Returns: for each node of the path in order; none where it does not answer, or over another way.
    package nonisolated func roundTrips(along path: [NodeID]) async -> [Duration?] {
        await withTaskGroup(of: (Int, Duration?).self) { group in
            for index in path.indices {
                group.addTask {
                    var best: Duration?
                    for _ in 0..<PingAttempt.samples {
                        guard let answer = try? await self.ping(path[index]),
                            answer.path == Array(path[...index])
                        else { break }
                        best = min(best ?? answer.roundTrip, answer.roundTrip)
                    }
                    return (index, best)
                }
            }
            var trips: [Duration?] = path.map { _ in nil }
            for await (index, trip) in group { trips[index] = trip }
            return trips
        }
    }

    /// The way that calls take to a node, and the second-best one.
    package func ways(to node: NodeID) -> [Way] { core.ways(to: node) }
}

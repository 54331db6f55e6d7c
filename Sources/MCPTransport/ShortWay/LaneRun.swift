import HTTPWire
import NIOCore

/// A call over a lane from its beginning to its end, or until it is carried on: what comes of it is a ``LaneAnswer``. Lives on one loop.
protocol LaneRun: LaneUser {
    var loop: any EventLoop { get }
    /// Bytes of an answer that may end here.
    var answerBytesMax: Int { get }
    /// Looks at what has come, and takes it further.
    func withAnswer<Value: Sendable>(_ body: (inout LaneAnswer) -> Value) -> Value
    /// The whole answer is here.
    func evaluate(_ whole: LaneAnswer.Whole)
    /// Gives the call to the long way, from where it is.
    ///
    /// - Parameter last: what has come and is not kept yet.
    func carryOn(with last: LaneEvent?)
}

extension LaneRun {
    func follow(_ step: LaneAnswer.Step, _ event: @autoclosure () -> LaneEvent) {
        switch step {
        case .wait: break
        case .tell(let sink): sink(event())
        case .carryOn(let last): carryOn(with: last)
        case .evaluate: evaluate(withAnswer { $0.takeWhole() })
        }
    }

    func take(_ head: HTTPResponseHead, _ body: [UInt8]) {
        let isShort = body.count <= answerBytesMax
        if isShort, withAnswer({ $0.begin(head) }) { return evaluate(.body(body, status: head.status)) }
        take(.head(head))
        take(.body(body))
        take(.end)
    }

    func take(_ event: HTTPClientEvent) {
        let bytesMax = answerBytesMax
        follow(withAnswer { $0.take(event, bytesMax: bytesMax) }, .http(event))
    }

    func hear(_ event: LinkEvent) {
        guard loop.inEventLoop else { return loop.execute { self.hear(event) } }
        follow(withAnswer { $0.hear(event) }, .line(event))
    }

    func impatient() {
        if loop.inEventLoop { carryOn(with: nil) } else { linkClosed() }
    }

    func linkClosed() { loop.execute { self.carryOn(with: nil) } }

    /// For ``CarriedCall/adopt``.
    func adopt(_ sink: @escaping LaneAnswer.Sink) -> LaneHold {
        let (past, running) = withAnswer { $0.adopt(sink) }
        for event in past { sink(event) }
        return running ?? .over
    }

    /// For ``CarriedCall/giveUp``.
    func giveUp() { withAnswer { $0.giveUp() }?.cancel() }
}

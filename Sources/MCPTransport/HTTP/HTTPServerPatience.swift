import NIOCore

/// How long a connection of a listener waits for what it waits for (``HTTPServerWait``).
///
/// Thousands that came at once and say nothing do not end at once, which would keep the loop with them alone for as long as that takes:
/// connections that come one after another each wait another time, a sixty-fourth part of a tenth more, and so on, up to a tenth.
struct HTTPServerPatience: Sendable {
    private static let steps: UInt64 = 64

    private let head, body, idle, linger: TimeAmount

    init(_ limits: HTTPLimits) {
        head = TimeAmount(limits.headTimeout)
        body = TimeAmount(limits.bodyTimeout)
        idle = TimeAmount(limits.idleTimeout)
        linger = TimeAmount(limits.lingerTimeout)
    }

    /// - Parameter number: of the connection, in the order in which they come.
    /// - Returns: `nil`: for ever.
    func time(for wait: HTTPServerWait, of number: UInt64) -> TimeAmount? {
        let least: TimeAmount? =
            switch wait {
            case .nothing: nil
            case .head: head
            case .body: body
            case .nextRequest, .lastWrite: idle
            case .linger: linger
            }
        let step = Int64(number % Self.steps)
        return least.map { $0 + .nanoseconds($0.nanoseconds / 10 / Int64(Self.steps) * step) }
    }
}

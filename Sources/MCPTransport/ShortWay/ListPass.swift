import MCPModel

/// The short way of requests for one page of a list with one and the same head and, but for their ids, one and the same body: what one of
/// them that went the long way has shown.
///
/// All that can be said of such a request was said then; only what that rests on may be another now.
final class ListPass: Sendable {
    /// The session in which a client of an older revision asks.
    struct Turn: Sendable {
        let name: String
        let scope: SessionScope
        /// As the credential of that request proves it.
        let principal: Principal
    }

    let turn: Turn?
    private let frame: RequestFrame
    /// Gone with its page.
    private weak let result: WrittenResult?
    /// Whether the caller would be let in as then.
    private let admits: @Sendable () -> Bool
    /// Whether lists are as they were then.
    private let isUnchanged: @Sendable () -> Bool

    init(
        _ frame: RequestFrame, _ result: WrittenResult, in turn: Turn?,
        admits: @escaping @Sendable () -> Bool, isUnchanged: @escaping @Sendable () -> Bool
    ) {
        self.frame = frame
        self.result = result
        self.turn = turn
        self.admits = admits
        self.isUnchanged = isUnchanged
    }

    var isGood: Bool { isUnchanged() && result != nil && admits() }

    /// Where the id stands in a request that this is about.
    func id(in body: [UInt8]) -> Range<Int>? { frame.id(in: body) }

    /// What such a request is answered; `nil` where that has to be found out anew.
    var answer: WrittenResult? {
        guard isUnchanged(), let result, admits() else { return nil }
        return result
    }
}

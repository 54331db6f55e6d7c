import MCPModel

/// How many tasks are listened to, and by whom.
struct ListenCount: Sendable {
    private var total = 0
    private var byCaller: [Caller: Int] = [:]

    /// - Returns: the bound that is reached, as part of a sentence; `nil`: there is room, and this one has taken it.
    mutating func enter(_ caller: Caller) -> String? {
        guard total < CallRouter.listensMax else { return "\(CallRouter.listensMax) tasks" }
        let own = byCaller[caller] ?? 0
        guard own < CallRouter.listensPerCallerMax else {
            return "\(CallRouter.listensPerCallerMax) tasks of this caller"
        }
        total += 1
        byCaller[caller] = own + 1
        return nil
    }

    mutating func leave(_ caller: Caller) {
        total -= 1
        let own = byCaller[caller] ?? 0
        byCaller[caller] = own > 1 ? own - 1 : nil
    }
}

import MCPModel

/// How long and how often a call is tried, and what may be tried again.
extension CallCourse {
    /// After a break: for as long a way to the owner is looked for. A link that went silent is noticed in 2.5 s and
    /// dialled again within 8; a relay that is started again is back in this time.
    package static let askingMax = Duration.seconds(30)
    /// The same of a call that may have made a task, and whose caller has gone: who runs it remembers its answer for so long
    /// (``CallJournal/Limits/keep``), and only the word that nobody wants it ends the task.
    package static let decliningMax = Duration.seconds(600)
    /// Between two attempts at that: nobody waits.
    package static let declineAgainAfter = Duration.seconds(5)
    /// All calls of a broken link break together, and the routes around it are just being found.
    package static let askFirstAfter = Duration.milliseconds(20)
    package static let askAgainAfter = Duration.milliseconds(250)
    /// Circuits tried for a call that was never sent. Three paths that fail one after the other mean that the graph is
    /// wrong, which repair mends, not we.
    package static let waysMax = 3
    /// Long enough for the core to leave the link out that a relay named; short for whoever waits.
    package static let wayAgainAfter = Duration.milliseconds(50)
    /// Times that one call is sent, each under its own id. Each further one means that a link broke before the call was
    /// through.
    package static let sendsMax = 3

    /// Requests that change nothing: sent again where others end as `outcome_unknown`, to another replica too.
    package static let reads: Set<String> = [
        Method.promptsGet, Method.resourcesRead, Method.completionComplete, Method.toolsList,
        Method.resourcesList, Method.resourceTemplatesList, Method.promptsList, Method.tasksGet,
    ]
}

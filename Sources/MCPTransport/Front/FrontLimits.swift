package import MCPModel

/// The bounds of a front, each with its reason.
package struct FrontLimits: Hashable, Sendable {
    /// Legacy sessions held at once. A client that forgets its sessions must not fill the memory: an idle one costs 1 kB
    /// (docs/reference/sessions.md), one with a stream 9 kB.
    package var sessionsMax = 16_384
    /// A session nobody speaks in for this long is gone (the client sees 404 and initializes again).
    package var sessionIdle: Duration = .seconds(30 * 60)
    /// Requests of one session that run at once.
    package var sessionCallsMax = 256
    /// Resources that one session, or one listen of 2026-07-28, watches at once: a client must not use up alone what a
    /// node may hold (``SubscriptionLimits``).
    package var subscriptionsMax = 256
    /// Streams that stay open for list changes or HTTP+SSE, over all clients: each holds a connection, and a quarter of
    /// those that a listener takes (``HTTPLimits/connectionsMax``) is left for requests.
    package var streamsMax = 3_072
    /// Messages in one JSON-RPC batch (2025-03-26).
    package var batchMax = 64
    /// How often an open stream carries a comment, so that proxies do not take it for dead.
    package var keepAlive: Duration = .seconds(15)
    /// How often it is looked whether the credential of an open stream is still good: what was revoked or has run out is heard of no longer
    /// than that, and a look costs as much as a request's.
    package var streamCheck: Duration = .seconds(3)
    /// Looks in a row at which nobody could say, since an issuer's keys were not to be had; then a stream ends: a minute.
    package var streamDoubtsMax = 20
    /// What a session keeps for a client whose connection broke.
    package var replay = ReplayBuffer.Limits.standard
    /// What all sessions keep of that together. Over it a session that says more keeps only ``replayShareMax``: many clients
    /// with large results must not fill the memory either.
    package var replayTotalMax = 256 * 1024 * 1024
    package var replayShareMax = 16 * 1024
    /// How soon a call of 2025-11-25 without an answer gets a stream that its client can resume. Most answers are
    /// here before, and need none.
    package var streamAfter: Duration = .milliseconds(100)
    /// How long a client whose stream broke is asked to wait before it comes back.
    package var reconnectAfter: Duration = .seconds(1)
    /// How long a legacy client may take to answer what a call asks it for: a person may be filling in a
    /// form.
    package var inputWait: Duration = .seconds(10 * 60)
    /// One message of a client.
    package var message = MessageLimits.standard
    /// What may wait for a stdio client that does not read, before it is given up: two of the largest messages.
    package var pipeBacklogMax = 128 * 1024 * 1024
    /// Tasks that one legacy session lists, and whose results it may hold itself.
    package var sessionTasksMax = 256
    /// Bytes of all results that one session holds for tasks that ended as they were made.
    package var sessionTaskBytesMax = 4 * 1024 * 1024
    /// How long such a result is held at most, whatever the client asks for, and how long if it does not say.
    package var sessionTaskLifeMax: Duration = .seconds(60 * 60)
    /// Tasks of one session, newest first, of which it is told what their servers say unasked: each is a call that stays open.
    package var sessionTasksHeardMax = 32
    /// Tasks whose state is asked for anew when a session lists its own, newest first.
    package var sessionTasksFreshMax = 32
    /// Tasks that one listen may hear of: each is asked after.
    package var tasksWatchedMax = 64
    /// How often a task is asked after on behalf of a client that waits for it or listens, where its server gives no
    /// interval, and the bounds of what a server may give: neither hammered nor forgotten.
    package var taskPoll: Duration = .seconds(1)
    package var taskPollMin: Duration = .milliseconds(20)
    package var taskPollMax: Duration = .seconds(10)
    /// How long a legacy client may wait for the end of a task in one request; it may ask again.
    package var taskWaitMax: Duration = .seconds(30 * 60)

    package init() {}
    package static let standard = FrontLimits()
}

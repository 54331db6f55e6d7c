package import JSONSlice
package import MCPModel

/// Where a backend is, and how to get in.
package enum BackendTarget: Hashable, Sendable {
    /// A child process. Of this process's environment it gets only ``ChildEnvironment/inherited``, and `env`.
    case stdio(command: String, args: [String], env: [(String, SecretText)], directory: String?)
    /// A URL that speaks Streamable HTTP, of either era, or HTTP+SSE of 2024-11-05. Redirects are not followed.
    ///
    /// - Parameters:
    ///   - query: parameters that are sent with every request and stand in no URL that is shown: keys.
    ///   - startsWithEvents: whether HTTP+SSE is tried first, because somebody said that it speaks that.
    case http(
        url: String, headers: [(String, SecretText)], query: [(String, SecretText)] = [],
        startsWithEvents: Bool = false)

    package static func == (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (.stdio(let c1, let a1, let e1, let d1), .stdio(let c2, let a2, let e2, let d2)):
            c1 == c2 && a1 == a2 && d1 == d2 && e1.elementsEqual(e2) { $0 == $1 }
        case (.http(let u1, let h1, let q1, let e1), .http(let u2, let h2, let q2, let e2)):
            u1 == u2 && e1 == e2 && h1.elementsEqual(h2) { $0 == $1 } && q1.elementsEqual(q2) { $0 == $1 }
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .stdio(let command, let args, _, _):
            hasher.combine(command)
            hasher.combine(args)
        case .http(let url, _, _, _): hasher.combine(url)
        }
    }
}

/// What a backend's life looks like from outside.
package enum BackendState: Hashable, Sendable {
    case starting
    case up
    /// It is there, and not all of it works.
    case degraded
    case down
    /// It answered, and wants a credential that it was not given, or not this one.
    case authNeeded
}

package enum BackendEvent: Sendable {
    /// `reason` is a sentence for a person; empty when up and nothing is odd.
    case state(BackendState, reason: String)
    /// Everything the backend offers, after the first listing and after every change.
    case listed(BackendListing)
}

/// All that a backend offers, in its own order and to the byte.
package struct BackendListing: Sendable, Equatable {
    package var era: Era
    package var revision: ProtocolRevision
    /// Its Implementation object; `{}` if it gave none.
    package var serverInfo: JSON
    package var instructions: String?
    package var capabilities: JSON
    package var entries: [(list: EntryListKind, definition: JSON)]
    /// What was left out and why, for a person; empty when nothing was.
    package var remarks: [String] = []
    /// Tools that are left out because no client may call them, and why; by name.
    package var refusedTools: [String: String] = [:]

    package static func == (a: Self, b: Self) -> Bool {
        a.era == b.era && a.revision == b.revision && a.serverInfo == b.serverInfo
            && a.instructions == b.instructions && a.capabilities == b.capabilities && a.remarks == b.remarks
            && a.refusedTools == b.refusedTools
            && a.entries.elementsEqual(b.entries) { $0.list == $1.list && $0.definition == $1.definition }
    }
}

/// The bounds of a backend, each with its reason.
package struct BackendLimits: Hashable, Sendable {
    /// Calls that run at once; more are refused as `limited`, so that one slow backend cannot pile up
    /// callers.
    package var callsMax = 256
    /// The longest a call may take, whatever its caller and its progress say.
    package var callMax: Duration = .seconds(10 * 60)
    /// The longest it may be without an answer and without progress; SDKs' own clients wait as long.
    package var silenceMax: Duration = .seconds(60)
    /// The setting that ``silenceMax`` comes from, for whoever waited in vain.
    package var silenceName = LimitName.response.description
    /// From start to the first answer: a child may have to be fetched from a registry first.
    package var startTimeout: Duration = .seconds(60)
    /// How long a silent server may ponder `server/discover` before it counts as legacy.
    package var probeTimeout: Duration = .seconds(10)
    /// How long calls wait for the own stream of a legacy session. What a server asks there without naming a call is lost to who does
    /// not listen yet; some send the head of a stream only with its first event, and are not waited for.
    package var attentionMax: Duration = .milliseconds(500)
    /// One page of a list.
    package var listTimeout: Duration = .seconds(30)
    /// All pages of all lists: what a server may take that answers each page just in time.
    package var listingMax: Duration = .seconds(120)
    /// How often a backend that does not tell of changes is listed again, unless its TTL says otherwise.
    package var pollInterval: Duration = .seconds(60)
    /// The shortest time between two listings, whatever TTL a backend gives: it must not make us hammer it.
    package var pollMin: Duration = .seconds(5)
    /// Changes that come close together are one.
    package var changeWindow: Duration = .milliseconds(100)
    /// The shortest time between two listings for which the backend itself is the reason, in the long run (``RelistPace``).
    package var relistMin: Duration = .seconds(1)
    /// Pages of one list: a cursor that leads nowhere must end.
    package var pagesMax = 1_000
    /// Entries of all lists together; what `Catalog.Manifest` can hold.
    package var entriesMax = 10_000
    /// One message of the backend: a line of its output, an answer or an event over HTTP.
    package var message = MessageLimits.standard
    /// All definitions of all lists together; what `ManifestCodec` can carry, with room for the rest.
    package var listingBytesMax = 31 * 1024 * 1024
    /// Of a listing, for a person.
    package var remarksMax = 20
    /// What may wait for a child that does not read, before it is given up: two of the largest messages.
    package var backlogMax = 128 * 1024 * 1024
    /// Lines of standard error kept for whoever asks why it died.
    package var stderrLinesMax = 200
    /// Bytes kept of each of them.
    package var stderrLineBytesMax = 4 * 1024
    /// The first wait before a restart; each failure doubles it.
    package var backoffMin: Duration = .seconds(1)
    ///
    /// With the jitter (``Backoff``): one that is down is tried every 15 to 30 s, as one that is up is probed.
    package var backoffMax: Duration = .seconds(30)
    /// How long a server that says nothing is left alone; somewhere in here, so that many are not probed at once.
    package var probePauses: ClosedRange<Duration> = .seconds(15) ... .seconds(30)
    /// How long it may take to answer a probe: nothing has to be computed for it, and another is due soon.
    package var pingTimeout: Duration = .seconds(10)
    /// A backend that was up for this long has earned a fresh start of the waits.
    package var steadyAfter: Duration = .seconds(60)
    /// How long a child may take to end after its input closed, and after SIGTERM.
    package var closeGrace: Duration = .seconds(2)
    package var terminateGrace: Duration = .seconds(3)

    /// Children of one stdio backend that may run because calls wait for one; each costs a process, and has a state of its
    /// own.
    package var instances = 1
    /// Children of one stdio backend at once where some hold suspended calls.
    package var instancesMax = 4
    /// Calls that wait for a child of a backend that asks: what may run at once by default, times four.
    package var waitingMax = 64
    /// How long the first call of an entry has a backend that never asked to itself, among those that can be asked: a server
    /// that asks mostly does so at once, and then there is no doubt in which call.
    package var trial: Duration = .milliseconds(250)
    /// How long a suspended call keeps others waiting before they go to another child: a program answers sooner, and a
    /// server's state is in one child; a person takes longer.
    package var suspensionPatience: Duration = .seconds(1)
    /// How long a question is held that may be of several calls: most calls are over by then, and hardly any server gives up
    /// before.
    package var questionHoldMax: Duration = .seconds(10)
    /// How long a backend may go on with a call that was cancelled before a question counts as another's.
    package var cancelGrace: Duration = .seconds(2)
    /// Sessions at one URL at once, for the same reasons; each costs the backend some memory.
    package var sessionsMax = 16
    /// How long a session beside the first is kept without calls: a child takes seconds to start.
    package var idleSessionMax: Duration = .seconds(5 * 60)
    /// What a legacy backend asks within this time of its first question is one round.
    package var questionWindow: Duration = .milliseconds(30)
    /// Calls that wait for answers of their callers. Over HTTP each keeps a connection open; half of what an origin
    /// may have (``HTTPClientLimits/connectionsPerOriginMax``), so that answers and other calls still find one.
    package var suspendedMax = 32
    /// How long a caller may take to come back with answers: as long as a person may take to think.
    package var suspendedTimeMax: Duration = .seconds(10 * 60)

    /// Tasks of one backend whose callers are remembered; each costs a few hundred bytes, and a caller that makes tasks and
    /// forgets them must not fill the memory.
    package var tasksMax = 1_024
    /// Of those, one caller's: others find room beside it.
    package var tasksPerCallerMax = 256
    /// Tasks that run at once at a legacy backend over Streamable HTTP: each keeps a connection open for its result; a
    /// quarter of what an origin may have (``HTTPClientLimits/connectionsPerOriginMax``), since suspended calls
    /// may take half.
    package var awaitedTasksMax = 16
    /// Bytes of all results that are kept of a legacy backend's tasks: it gives each once, their callers may ask twice.
    package var taskBytesMax = 64 * 1024 * 1024
    /// How long a task is remembered at most, and one whose server sets no time: longer than any weekend.
    package var taskLifeMax: Duration = .seconds(7 * 86_400)

    /// Callers that are told of a task at once: as many as there may be tasks.
    package var taskListenersMax = 1_024
    /// How long a legacy backend may take to name the task that it makes of a call which nobody wants any more: it answers
    /// such a call before it does the work.
    package var taskNamingMax: Duration = .seconds(10)
    /// The same at a modern backend, where nobody knows before the answer whether a call becomes a task: one that does not is
    /// cancelled so much later.
    package var modernTaskNamingMax: Duration = .seconds(1)

    /// Subscriptions to its resources that are held at once, by this node's clients and by other nodes: as many as two
    /// nodes' worth of what one may have upstream (``SubscriptionLimits/subscriptionsMax``), and their renewals.
    package var subscriptionsMax = 4_096

    package init() {}
    package static let standard = BackendLimits()
}

extension BackendLimits {
    /// How a call ends that was silent for too long.
    var silenceText: String { "no answer and no progress within \(silenceMax) (\(silenceName))" }

    /// How a call ends whose time is over.
    func overallText(of request: CallRequest) -> String {
        request.timeLeft < callMax
            ? "no answer within \(request.timeLeft), all the time that its caller gave it"
            : "no answer within \(callMax) (\(LimitName.call)), whatever its progress"
    }

    func instanceQueue(of target: BackendTarget) -> InstanceQueue.Limits {
        // A session of HTTP+SSE costs no process of ours.
        let most = if case .http = target { sessionsMax } else { instancesMax }
        return InstanceQueue.Limits(
            usual: instances, most: most, waitingMax: waitingMax, trial: trial, patience: suspensionPatience,
            idleMax: idleSessionMax)
    }
}

import JSONSlice
import MCPModel

/// Why a request to a backend has no answer.
struct BackendFault: Error, Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        /// It provably did not reach the backend.
        case notReached
        /// It may have; the way broke before the answer came.
        case lost
        case authNeeded
        /// What came back is no answer.
        case broken
        /// What came back goes over a limit, which the detail names.
        case tooLarge
        case timedOut
        /// The backend says that the session is over, so it did not do what was asked.
        case sessionGone
        /// An HTTP status without a JSON-RPC body.
        case refused(status: Int)
        /// A secret could not be opened.
        case sealed
        case cancelled
    }

    var kind: Kind
    /// What happened, as part of a sentence.
    var detail: String
    /// Whether it is sure that the backend did not do what was asked: the request never left, or the backend says so.
    private(set) var isUnsent: Bool
    /// Of ``Kind/sessionGone``: which of its link's sessions (``BackendLink/sessionNumber``).
    var session: Int?

    /// Characters of a detail: what a backend says may be part of it.
    private static let detailMax = 1_000

    init(_ kind: Kind, _ detail: String, session: Int? = nil) {
        self.kind = kind
        self.detail = detail.count > Self.detailMax ? detail.prefix(Self.detailMax) + "…" : detail
        self.session = session
        // A forgotten session is the backend's own word that it did nothing; a secret is opened before anything is sent.
        isUnsent = kind == .notReached || kind == .sessionGone || kind == .sealed
    }

    /// Of a request that was about to be made when this came about, and was not.
    var beforeSending: BackendFault {
        var fault = self
        fault.isUnsent = true
        return fault
    }

    /// The caller's view of it.
    func failure(of request: CallRequest, backend name: String) -> CallFailure {
        failure(of: request.id, request.method, backend: name)
    }

    func failure(of id: CallID, _ method: String, backend name: String) -> CallFailure {
        let (reason, hint): (Reason, String?) =
            switch kind {
            case .notReached, .sessionGone: (.backendUnavailable, "martlet servers test \(name)")
            // Whether a tool ran decides whether it may be called again; reading twice harms nobody.
            case .lost:
                (isUnsent || method != Method.toolsCall ? .backendUnavailable : .outcomeUnknown, nil)
            case .authNeeded: (.backendAuth, "martlet servers test \(name) shows what it wants")
            case .broken: (.backendProtocol, nil)
            case .tooLarge: (.tooLarge, "ask for less, or raise the limit")
            case .refused(429), .refused(503): (.backendUnavailable, nil)
            case .refused: (.backendProtocol, nil)
            case .timedOut: (.deadlineExceeded, nil)
            case .sealed: (.sealed, "`martlet vault unseal` on the node of that server")
            case .cancelled: (.cancelled, nil)
            }
        return CallFailure(
            reason, "server \(name): \(detail)", hint: hint, callID: id, isUnsent: isUnsent)
    }
}

/// One request on a link. Its number is its id on the wire, and its progress token where it has one.
struct LinkRequest: Sendable {
    var number: Int
    var method: String
    var params: JSON?
    /// The headers that mirror a modern body; only HTTP has them.
    var mirrored: MirroredHeaders?
    /// What the backend may ask the caller for meanwhile.
    var declared = DeclaredCapabilities.none
    /// Whether its stream may stay silent for as long as it likes: `subscriptions/listen`, and `tasks/result`, which waits
    /// for as long as its task runs.
    var isEndless = false
    /// Called once, when the backend is done with it: it answered, it is gone, or it was told that nobody waits and has had
    /// time to see that.
    var whenDone: (@Sendable () -> Void)?
    /// For whom it is; `nil`: the gateway itself.
    var caller: Caller?
    /// The task of 2025-11-25 that it waits for: what the backend asks for that task belongs to this request.
    var taskID: String?
    /// Whether it is a call that becomes a task of 2025-11-25, whose id is in its answer.
    var makesTask = false
    /// Whether it is a call that runs as a task its caller need not know of (``TaskingLink``).
    var isHiddenTask = false
    /// What becomes of it when nobody wants it any more, where its answer may name a task; `nil`: it is cancelled at once.
    var naming: TaskNaming?
    /// The least level of the log messages that its caller wants of a legacy session; `nil`: none are wanted.
    var logLevel: String?
    /// Where it has been sent already, over this very link.
    var carried: CarriedCall?
}

/// What a link tells of a request: notifications and questions, then one of the others.
enum LinkEvent: Sendable {
    case notification(method: String, params: JSON)
    /// Only of a request whose caller can be asked that (``LinkRequest/declared``); to be answered with
    /// ``BackendLink/respond(_:)``.
    case question(BackendQuestion)
    case result(JSON)
    /// The backend's error object.
    case error(JSON)
    case fault(BackendFault)
}

/// What a link tells of itself.
enum LinkNews: Sendable {
    case changed(ListChange)
    /// It asks on a channel where nothing tells in which call, while calls are open whose callers can be asked.
    case asked
    /// The params of a `notifications/resources/updated` of a legacy session.
    case updated(JSON)
    /// The params of a `notifications/tasks/status` of a legacy session, and its number at the link.
    case taskStatus(JSON, session: Int)
    /// A notification of that method, which no revision knows, was nobody's (``ForeignNotification``).
    case stray(method: String)
    /// The backend has forgotten a session, by its number at the link.
    case sessionGone(Int)
    /// What a legacy session says besides answers is heard from here on; what it said before may be lost.
    case hearing
    case lost(BackendFault)
    /// Something a person may want to read.
    case line(String)
    /// It said something that is no message, where only messages belong.
    case noise(String)
}

/// One live way to a backend: a child's pipes, or a URL.
protocol BackendLink: Sendable {
    /// Sends a request; the sink is called on an event loop. Cancelling tells the backend, and the sink hears
    /// nothing more.
    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle
    func notify(_ method: String, _ params: JSON?)
    /// Sends a notification, and returns when the backend has it: what is sent next must not overtake it. One that does not
    /// come through is no fault yet; the next request will show it.
    func announce(_ method: String) async
    /// Answers a request of the backend.
    func respond(_ message: RPCMessage)
    /// The handshake is over: what is to be sent with every later request is known.
    func settle(_ revision: ProtocolRevision)
    /// What has to be done besides, for as long as the link lives; returns when cancelled or when nothing is
    /// left.
    func attend() async
    /// Returns when everything that the backend says from now on is heard, also what belongs to no request, or when
    /// there is no telling; needs ``attend()`` to run.
    func whenAttentive() async
    /// Ends it, open requests included.
    ///
    /// - Returns: how it ended, as part of a sentence, where there is something to say.
    func close() async -> String?
    /// Which session this is, of those that were opened here: what is heard of an earlier one is no news.
    var sessionNumber: Int { get }
    /// The link beneath, where calls can go by the short way (``BackendLane``).
    var laneLink: LaneLink? { get }
}

extension BackendLink {
    /// One channel carries everything, and it is open.
    func whenAttentive() async {}
    var laneLink: LaneLink? { nil }
}

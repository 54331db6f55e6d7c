/// What became of one call, as one of its two ends saw it (docs/decisions/0036-call-records.md).
///
/// Texts are as people read them; where a name may change its meaning, what does not change stands beside it. Nothing in
/// it is a value: of arguments and result there are sizes and keyed digests.
package struct AuditRecord: Hashable, Sendable {
    /// Where the record was written.
    package enum End: String, Hashable, Sendable, CaseIterable {
        /// The node at which the caller came in.
        case entry
        /// The node that fronts the server, for a call that came over the mesh.
        case owner
    }

    package enum Outcome: String, Hashable, Sendable, CaseIterable {
        case ok
        /// The server answered, and its answer is an error: `isError`, or an error object of JSON-RPC.
        case error
        /// It could not be carried out.
        case failed
        /// It may have run, and nobody knows.
        case unknown
        /// Its caller wanted no answer any more; it may have run.
        case cancelled
        /// It was not let through, here or at the owner.
        case refused
    }

    /// A node: what it is called, and who it is for good.
    package struct Node: Hashable, Sendable {
        package var label: String
        package var id: String

        package init(label: String, id: String) {
            self.label = label
            self.id = id
        }
    }

    /// When the call ended, in milliseconds since 1970-01-01T00:00:00Z.
    package var at: Int64
    package var end: End
    /// 32 hex digits.
    package var call: String
    /// Of a composite's step: the composite's call.
    package var parent: String?
    /// 32 hex digits (W3C Trace Context); both ends of a call have the same.
    package var trace: String
    /// Who called: `key:alice`, `jwt:ISSUER#SUBJECT`, `local:admin`.
    package var principal: String
    /// Who really asked, where an administrator called as somebody else.
    package var assumedBy: String?
    package var entryNode: Node
    package var virtualServer: String?
    /// `nil`: the call was ended before it was clear whose it is.
    package var owner: Node?
    package var server: String?
    package var method: String
    /// The server's own name for it, or a resource's URI if that is in a list.
    package var entry: String?
    /// SHA-256 of the definition that the caller was shown, in hex.
    package var definition: String?
    /// What the node of this record decided; the other end decides for itself.
    package var isAllowed: Bool
    /// The rule that allowed or refused it; `nil`: there was none to ask.
    package var rule: String?
    /// Whether an intent was on stable storage before the call went out.
    package var isIntended = false
    package var outcome: Outcome
    /// The word of docs/reference/errors.md for a call that the gateway ended.
    package var reason: String?
    /// A result that is not the last: `input_required`, `task`.
    package var answer: String?
    package var argumentsBytes: Int
    package var resultBytes: Int
    /// HMAC-SHA-256 under this node's ``RecordKey``, in hex; `nil` where there was nothing, or no room to hold it until it was hashed.
    package var argumentsDigest: String?
    package var resultDigest: String?
    /// From the call's arrival at this end to its end there.
    package var microseconds: Int
    /// Labels of the nodes that it crossed, the entry node first; only the entry node knows.
    package var path: [String]

    package init(
        at: Int64, end: End, call: String, parent: String? = nil, trace: String, principal: String,
        assumedBy: String? = nil, entryNode: Node, virtualServer: String? = nil, owner: Node? = nil,
        server: String? = nil, method: String, entry: String? = nil, definition: String? = nil,
        isAllowed: Bool = true, rule: String? = nil, outcome: Outcome, reason: String? = nil,
        answer: String? = nil, argumentsBytes: Int = 0, resultBytes: Int = 0, argumentsDigest: String? = nil,
        resultDigest: String? = nil, microseconds: Int = 0, path: [String] = []
    ) {
        self.at = at
        self.end = end
        self.call = call
        self.parent = parent
        self.trace = trace
        self.principal = principal
        self.assumedBy = assumedBy
        self.entryNode = entryNode
        self.virtualServer = virtualServer
        self.owner = owner
        self.server = server
        self.method = method
        self.entry = entry
        self.definition = definition
        self.isAllowed = isAllowed
        self.rule = rule
        self.outcome = outcome
        self.reason = reason
        self.answer = answer
        self.argumentsBytes = argumentsBytes
        self.resultBytes = resultBytes
        self.argumentsDigest = argumentsDigest
        self.resultDigest = resultDigest
        self.microseconds = microseconds
        self.path = path
    }
}

/// Records that were not written: what a reader must know to trust the rest.
package struct LostRecords: Hashable, Sendable {
    /// When writing went on, in milliseconds since 1970-01-01T00:00:00Z.
    package var at: Int64
    package var count: Int
    /// Why, for a person.
    package var why: String

    package init(at: Int64, count: Int, why: String) {
        self.at = at
        self.count = count
        self.why = why
    }
}

/// One leaf of the log.
package enum RecordLeaf: Hashable, Sendable {
    case call(AuditRecord)
    /// A call that is about to go out: whatever becomes of it, it was meant. Its outcome is ``AuditRecord/Outcome/unknown``, and its
    /// result and its time are not there.
    case intent(AuditRecord)
    case lost(LostRecords)
}

extension RecordLeaf {
    /// In milliseconds since 1970-01-01T00:00:00Z.
    package var at: Int64 {
        switch self {
        case .call(let record), .intent(let record): record.at
        case .lost(let lost): lost.at
        }
    }
}

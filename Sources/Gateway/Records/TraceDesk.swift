import Audit
import Catalog
import JSONSlice
import Logging
import MCPModel
import MCPTransport
import Mesh
import MeshTransport
import Storage
import Synchronization

/// The question after records of one trace, between nodes: a call like any other, of a method that no server has, in the asking node's own
/// name (docs/decisions/0036-call-records.md).
enum TraceQuestion {
    /// No server is asked this: where other calls name one, it names the node, and nothing is looked up by that.
    static let method = "martlet/trace"
    /// Records in one answer, and their bytes: a trace has two for each call.
    static let recordsMax = 200
    static let bytesMax = 512 * 1024
    /// How long an answer is waited for.
    static let timeMax = Duration.seconds(5)

    static func request(_ id: String, by me: NodeID) -> CallRequest {
        CallRequest(
            id: .random(), method: method, params: ["id": .string(id)], client: ClientFacts(),
            caller: caller(me), timeLeft: timeMax)
    }

    static func caller(_ me: NodeID) -> Caller {
        Caller(issuer: WirePrincipal.nodeIssuer, subject: me.description)
    }
}

/// Answers other nodes' questions after this node's records.
///
/// Only a node with the role operator is answered, which its enrolment says and its link proves, and only in its own name: an entry node that could
/// read an owner's records would be an oracle over its callers. Values that may be kept here stay here.
final class TraceDesk: Sendable {
    /// Questions that are being answered at once; each reads files.
    static let questionsMax = 4

    private let log: RecordLog?
    private let board: CatalogBoard
    private let logger: Logger
    private let open = Atomic<Int>(0)

    init(_ log: RecordLog?, board: CatalogBoard, logger: Logger) {
        self.log = log
        self.board = board
        self.logger = logger
    }

    func answer(_ call: IncomingMeshCall, _ sink: @escaping CallSink) {
        let asker = call.principal.entryNode
        let refuse = { (reason: Reason, detail: String) in
            sink(.failure(CallFailure(reason, detail, callID: call.request.id, isUnsent: true)))
        }
        guard call.principal == .node(asker) else {
            return refuse(.denied, "records are asked for by nodes in their own name, and by no caller")
        }
        guard board.snapshot.nodes[asker]?.roles.contains(.operator) == true else {
            return refuse(.denied, "records are shown to nodes with the role operator only")
        }
        guard let id = call.request.params["id"]?.string,
            (RecordFilter.idPrefixMin...32).contains(id.utf8.count), id.allSatisfy(\.isHexDigit)
        else { return refuse(.invalidArguments, "a trace is asked for by the first digits of its id") }
        guard let log else { return refuse(.denied, "no records are written there (audit.records: off)") }
        guard open.add(1, ordering: .relaxed).newValue <= Self.questionsMax else {
            open.subtract(1, ordering: .relaxed)
            return refuse(.limited, "\(Self.questionsMax) such questions are being answered already")
        }
        logger.notice(
            "Another node asks after records.",
            metadata: ["peer.id": "\(asker)", "trace": "\(id.lowercased())"])
        log.find(RecordFilter(id: id.lowercased()), limit: TraceQuestion.recordsMax) { [self] found in
            open.subtract(1, ordering: .relaxed)
            sink(.result(Self.answer(found)))
        }
    }

    private static func answer(_ found: RecordFindings) -> JSON {
        var (records, bytes, isCut): ([JSON], Int, Bool) = ([], 0, found.isCut)
        for line in found.lines.reversed() {
            let leaf = line.leaf.bytes
            guard bytes + leaf.count <= TraceQuestion.bytesMax else {
                isCut = true
                break
            }
            bytes += leaf.count
            if let json = try? JSON(validating: leaf) { records.insert(json, at: 0) }
        }
        return .object([("records", .array(records)), ("more", .bool(isCut))])
    }
}

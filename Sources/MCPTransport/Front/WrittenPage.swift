import JSONSlice
import MCPModel
import NIOCore
import Synchronization

/// The results that are written of one page of a list, each the first time that a client asks for it: whoever asks next costs a
/// look, and no copy.
///
/// Belongs to the page, and goes with it.
package final class WrittenPage: Sendable {
    /// For whom a result is written: its bytes differ with these, and with nothing else that a client says.
    enum Form: Hashable {
        case modern
        /// - Parameter tellsOfTasks: whether tools say if they may be called as tasks.
        case legacy(ProtocolRevision, tellsOfTasks: Bool)
    }

    private let room: WrittenRoom
    private let written = Mutex<[Form: WrittenResult]>([:])

    package init(_ room: WrittenRoom) { self.room = room }

    deinit {
        for written in written.withLock({ $0.values }) { room.giveBack(written.count) }
    }

    /// - Parameter make: makes the result; called where it is not kept yet, or there is no room to.
    func result(_ form: Form, _ serverInfo: JSON? = nil, make: @escaping @Sendable () -> JSON) -> ListResult {
        let known = written.withLock { $0[form] }
        if let known, known.serverInfo == serverInfo { return ListResult(written: known, make: make) }
        let made = make()
        let fresh = WrittenResult(made, serverInfo)
        guard room.take(fresh.count) else { return ListResult(written: nil, make: { made }) }
        let former = written.withLock { $0.updateValue(fresh, forKey: form) }
        room.giveBack(former?.count ?? 0)
        return ListResult(written: fresh, make: { made })
    }
}

/// The result of a request for a list in one form, as all who ask get it.
///
/// Its page alone holds it for longer than an answer takes: what else knows of it lets it go.
final class WrittenResult: Sendable {
    /// It stands in the result, and is its endpoint's, which may come to be called otherwise.
    let serverInfo: JSON?
    /// With what ends the response.
    let bytes: ByteBuffer

    init(_ result: JSON, _ serverInfo: JSON?) {
        self.serverInfo = serverInfo
        var bytes = ByteBuffer()
        bytes.reserveCapacity(result.bytes.count + 1)
        bytes.writeBytes(result.bytes)
        // As ``RPCMessage/aroundResult(of:)`` ends it.
        bytes.writeInteger(UInt8(ascii: "}"))
        self.bytes = bytes
    }

    var count: Int { bytes.readableBytes }
}

/// Bounds what all written pages of a node take together; what finds no room is written for each request.
package final class WrittenRoom: Sendable {
    /// Ten thousand tools take some 4 MB in each form that is asked for.
    package static let bytesMax = 64 << 20

    private let max: Int
    private let taken = Atomic<Int>(0)

    package init(max: Int = WrittenRoom.bytesMax) { self.max = max }

    package var bytes: Int { taken.load(ordering: .relaxed) }

    func take(_ bytes: Int) -> Bool {
        let (_, now) = taken.add(bytes, ordering: .relaxed)
        guard now > max else { return true }
        giveBack(bytes)
        return false
    }

    func giveBack(_ bytes: Int) { taken.subtract(bytes, ordering: .relaxed) }
}

/// The result of a request for a list, on its way out.
struct ListResult: Sendable {
    /// `nil`: nobody keeps it.
    let written: WrittenResult?
    private let make: @Sendable () -> JSON

    init(written: WrittenResult?, make: @escaping @Sendable () -> JSON) {
        self.written = written
        self.make = make
    }

    /// The response, as bytes of its own.
    func message(_ id: RPCID) -> JSON { RPCMessage.response(id: id, result: make()).json }

    /// The response as the body of an answer.
    func body(_ id: RPCID) -> HTTPBody {
        guard let written else { return HTTPBody(Array(message(id).bytes)) }
        return HTTPBody(RPCMessage.aroundResult(of: id).head, written.bytes)
    }
}

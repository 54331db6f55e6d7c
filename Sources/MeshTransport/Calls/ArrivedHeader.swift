import Catalog
import MCPModel
import Mesh

/// The header that opened a call's stream: read, or known from calls before it and read no further than it has to be.
enum ArrivedHeader {
    case read(CallHeader)
    case known(KnownCalls.Known, CallHeaderMould.Cast)

    var call: CallID {
        switch self {
        case .read(let header): header.call
        case .known(_, let cast): cast.call
        }
    }

    var ticket: CallTicket? {
        switch self {
        case .read(let header): header.ticket
        case .known(_, let cast): CallTicket(number: cast.number)
        }
    }

    var timeLeft: Duration {
        switch self {
        case .read(let header): .milliseconds(Int64(header.timeLeftMS))
        case .known(_, let cast): .milliseconds(Int64(cast.timeLeftMS))
        }
    }

    var server: Label {
        switch self {
        case .read(let header): header.server
        case .known(let known, _): known.mould.header.server
        }
    }

    var principal: WirePrincipal {
        switch self {
        case .read(let header): header.principal
        case .known(let known, _): known.mould.header.principal
        }
    }

    /// Where calls with such a header can go the short way.
    var pass: MeshPass? {
        switch self {
        case .read: nil
        case .known(let known, _): known.pass
        }
    }

    /// All that it says.
    var whole: CallHeader {
        switch self {
        case .read(let header): header
        case .known(let known, let cast): known.mould.header(of: cast)
        }
    }

    /// What decides whether the mesh lets it in, which is the same for all that are like it.
    ///
    /// - Throws: ``CallAdmission/check(_:from:roles:me:incarnation:)``.
    func check(from peer: NodeID, roles: Roles?, me: NodeID, incarnation: UInt64) throws(CallFailure) {
        switch self {
        case .read(let header):
            try CallAdmission.check(header, from: peer, roles: roles, me: me, incarnation: incarnation)
        case .known(let known, _):
            try CallAdmission.check(
                known.mould.header, from: peer, roles: roles, me: me, incarnation: incarnation)
        }
    }
}

import MCPModel
import MCPTransport
import Synchronization

/// The passes that connections hold, for other connections of the same callers: what is decided about a caller's calls of a tool is
/// decided once, and takes memory once, however many connections it has.
///
/// Nothing is kept here that nobody holds.
final class ToolPassShelf: Sendable {
    private struct Key: Hashable {
        let endpoint: EndpointName
        let principal: Principal
        let tool: String
    }

    private struct Held {
        weak var pass: ToolPass?
    }

    /// Passes that are known at once; a connection whose pass finds no place has one of its own.
    static let countMax = 4_096

    private let held = Mutex<[Key: Held]>([:])

    var count: Int { held.withLock { $0.count } }

    /// The pass that is held already and still leads somewhere, or else the one that is made.
    func pass(
        _ endpoint: EndpointName, _ principal: Principal, _ tool: String, make: () -> ToolPass?
    ) -> ToolPass? {
        let key = Key(endpoint: endpoint, principal: principal, tool: tool)
        if let known = held.withLock({ $0[key]?.pass }), known.isOpen { return known }
        // Outside the lock: it asks the catalog and the rules.
        let made = make()
        held.withLock { held in
            if held.count >= Self.countMax { held = held.filter { $0.value.pass != nil } }
            guard held.count < Self.countMax || held[key] != nil else { return }
            held[key] = made.map { Held(pass: $0) }
        }
        return made
    }
}

package import Catalog
import MCPModel

/// A call that comes from another node, as far as it is decided on.
package struct PeerCall: Hashable, Sendable {
    package var server: Label
    package var method: String
    /// The server's own name for what the call is about, where the method has one.
    package var entry: String?
    /// The definition that the caller's node acted on, if it says which.
    package var seen: ContentHash?
    /// It was sent before, and whether it ran is not known.
    package var isRepeat: Bool

    package init(server: Label, method: String, entry: String?, seen: ContentHash?, isRepeat: Bool) {
        self.server = server
        self.method = method
        self.entry = entry
        self.seen = seen
        self.isRepeat = isRepeat
    }
}

/// The owner's last word on calls of other nodes (the entry node decided first, the owner decides again).
///
/// The link has proved the peer, and the mesh has checked that its roles let it name the caller it names. Here: may this
/// server be called from other nodes at all, is it asked for what callers ask for, do this node's rules let that caller do it,
/// may the call run a second time, and is it the definition that the caller saw?
package struct OwnerPolicy: Hashable, Sendable {
    /// All that other nodes may ask of a server. Whatever else a session has (its handshake, its log level) is between
    /// this node and the server. A listen is about one resource; lists travel as documents.
    package static let methods: Set<String> = [
        Method.toolsCall, Method.promptsGet, Method.resourcesRead, Method.completionComplete, Method.tasksGet,
        Method.tasksUpdate, Method.tasksCancel, Method.subscriptionsListen,
    ]

    /// What the owner knows of what is called.
    package struct Facts: Hashable, Sendable {
        /// Whether the mesh may know of the server (`mesh.export`, `servers.NAME.export`).
        package var isShared: Bool
        /// Whether configuration lets this call run twice (`servers.NAME.tools`); matters for repeats only.
        package var isRepeatable: Bool
        /// The entry's definition as it is listed now, `nil` for none; matters where the caller saw one.
        package var definition: ContentHash?

        /// Whether the server takes the entry node's word on who calls (`servers.NAME.callersFrom`).
        package var isBelieved: Bool
        /// What this node's rules say of the caller that the entry node names.
        package var access: AccessDecision
        /// Whether that caller may see what is called.
        package var isSeen: Bool

        package init(
            isShared: Bool, isRepeatable: Bool = false, definition: ContentHash? = nil,
            isBelieved: Bool = true, access: AccessDecision = .open, isSeen: Bool = true
        ) {
            self.isShared = isShared
            self.isBelieved = isBelieved
            self.access = access
            self.isSeen = isSeen
            self.isRepeatable = isRepeatable
            self.definition = definition
        }
    }

    /// This node's label, for what callers are told.
    package var node: String

    package init(node: String) { self.node = node }

    /// Why the call may not run here; `nil` if it may.
    package func objection(to call: PeerCall, knowing facts: Facts) -> Denial? {
        // A server that is not shared is, to others, one that does not exist: its name is nobody's business.
        guard facts.isShared else {
            return Denial(.serverNotShared, "\(node) has no server named \(call.server)")
        }
        guard Self.methods.contains(call.method) else {
            return Denial(
                .methodStaysHome, "\(call.method) does not go from node to node",
                hint: "other nodes may ask for \(Self.methods.sorted().joined(separator: ", "))")
        }
        guard facts.isBelieved else {
            return Denial(
                .wordNotTaken, "\(node) does not take this entry node's word on who calls \(call.server)",
                hint: "servers.\(call.server).callersFrom at \(node) says whose it takes")
        }
        if !facts.access.isAllowed {
            // What one may not see is to him what does not exist; the rules are this node's business.
            guard facts.isSeen else {
                return Denial(
                    .hiddenByRules, "there is no \(call.entry ?? "such entry") at \(call.server) of \(node)")
            }
            return Denial(
                .deniedByRules, "the rules of \(node) do not let this caller do this",
                hint: "ask whoever runs \(node); `martlet auth can-call` there says why")
        }
        if call.isRepeat, !facts.isRepeatable {
            return Denial(
                .outcomeNotKnown,
                "the link broke after the call was sent, and \(node) cannot know whether it ran",
                hint: "look whether it ran before you call again; servers.\(call.server).tools: "
                    + "{\"\(call.entry ?? "…")\": {repeatable: true}} at \(node) would let it be sent again")
        }
        if let seen = call.seen, call.entry != nil, facts.definition != seen {
            return Denial(
                .definitionChanged,
                "the definition of this entry has changed since the caller's node last heard of it",
                hint: "list again, and call again")
        }
        return nil
    }
}

package import Catalog
import JSONSlice
package import MCPModel

/// On whose behalf a call is made.
package struct WirePrincipal: Hashable, Sendable, Canonical {
    /// Who vouches for the identity: an OAuth issuer, `key`, `local` …
    package var issuer: String
    package var subject: String
    /// The node at which the caller came in.
    package var entryNode: NodeID

    package static let textMax = 512

    package init(issuer: String, subject: String, entryNode: NodeID) {
        self.issuer = issuer
        self.subject = subject
        self.entryNode = entryNode
    }

    /// To the byte, as ``Caller`` compares.
    package static func == (one: WirePrincipal, other: WirePrincipal) -> Bool {
        one.entryNode == other.entryNode && one.issuer.isExactly(other.issuer)
            && one.subject.isExactly(other.subject)
    }

    package func hash(into hasher: inout Hasher) {
        hasher.combine(entryNode)
        subject.hashExactly(into: &hasher)
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        issuer = try decoder.text(max: Self.textMax, "principal issuer")
        subject = try decoder.text(max: Self.textMax, "principal subject")
        entryNode = try decoder.fingerprint("entry node")
    }

    package func encode(to encoder: inout CanonicalEncoder) {
        encoder.put(text: issuer)
        encoder.put(text: subject)
        encoder.put(entryNode)
    }
}

/// What opens a call's stream; the params follow as the first record.
package struct CallHeader: Hashable, Sendable, Canonical {
    /// Which entry the caller saw, so that the owner can refuse when it changed meanwhile.
    package struct SeenEntry: Hashable, Sendable {
        package var kind: EntryKind
        package var hash: ContentHash

        package init(kind: EntryKind, hash: ContentHash) {
            self.kind = kind
            self.hash = hash
        }
    }

    package var call: CallID
    package var owner: NodeID
    /// An owner in another incarnation refuses: it cannot know whether its former self ran the call.
    package var ownerIncarnation: UInt64
    package var server: Label
    /// `nil` for methods that name no entry, such as `completion/complete` of a template.
    package var entry: SeenEntry?
    package var method: String
    /// Through which virtual server the caller came, if through one.
    package var virtualServer: Label?
    package var principal: WirePrincipal
    /// What is left of the caller's deadline, in milliseconds.
    package var timeLeftMS: UInt32
    package var client: ClientFacts
    /// What version 2 of the protocol added; `nil` on links of version 1, which refuse anything behind the client.
    package var ticket: CallTicket?
    /// Who really asked, where an administrator of the entry node calls as somebody else. For records, never to decide by. Only to peers
    /// that say ``Hello/readsAssumed``: others refuse anything behind the ticket.
    package var assumedBy: Caller?

    private static let methodMax = 128
    private static let logLevelMax = 16
    private static let traceparentMax = 128
    /// Leaves room for the other fields within ``Frame/streamHeaderMax``.
    package static let clientJSONMax = 12 * 1024

    package init(
        call: CallID, owner: NodeID, ownerIncarnation: UInt64, server: Label, entry: SeenEntry? = nil,
        method: String, virtualServer: Label? = nil, principal: WirePrincipal, timeLeftMS: UInt32,
        client: ClientFacts, ticket: CallTicket? = nil, assumedBy: Caller? = nil
    ) {
        self.assumedBy = assumedBy
        self.call = call
        self.owner = owner
        self.ownerIncarnation = ownerIncarnation
        self.server = server
        self.entry = entry
        self.method = method
        self.virtualServer = virtualServer
        self.principal = principal
        self.timeLeftMS = timeLeftMS
        self.client = client
        self.ticket = ticket
    }

    package init(from decoder: inout CanonicalDecoder) throws(WireError) {
        call = CallID(high: try decoder.uint64("call id"), low: try decoder.uint64("call id"))
        owner = try decoder.fingerprint("owner")
        ownerIncarnation = try decoder.uint64("owner incarnation")
        server = try decoder.label("server")
        if try decoder.bool("entry") {
            guard let kind = EntryKind(rawValue: try decoder.byte("entry kind")) else {
                throw .invalid("entry kind")
            }
            entry = SeenEntry(kind: kind, hash: try decoder.hash("definition hash"))
        }
        method = try decoder.text(max: Self.methodMax, "method")
        virtualServer = try decoder.bool("virtual server") ? try decoder.label("virtual server") : nil
        principal = try decoder.value(WirePrincipal.self)
        timeLeftMS = try decoder.uint32("time left")
        let capabilities = try decoder.json(max: Self.clientJSONMax, "client capabilities")
        let info =
            try decoder.bool("client info") ? try decoder.json(max: Self.clientJSONMax, "client info") : nil
        let logLevel =
            try decoder.bool("log level") ? try decoder.text(max: Self.logLevelMax, "log level") : nil
        let wantsProgress = try decoder.bool("progress")
        let traceparent =
            try decoder.bool("trace context")
            ? try decoder.text(max: Self.traceparentMax, "trace context") : nil
        // Both came with version 2.
        let isNumbered = decoder.bytesLeft > 0
        let isLegacy = isNumbered ? try decoder.bool("client era") : false
        client = ClientFacts(
            capabilities: capabilities, info: info, logLevel: logLevel, wantsProgress: wantsProgress,
            traceparent: traceparent, era: isLegacy ? .legacy : .modern)
        ticket = isNumbered ? try decoder.value(CallTicket.self) : nil
        guard decoder.bytesLeft > 0 else { return }
        assumedBy = Caller(
            issuer: try decoder.text(max: WirePrincipal.textMax, "issuer of who really asked"),
            subject: try decoder.text(max: WirePrincipal.textMax, "who really asked"))
    }

    package func encode(to encoder: inout CanonicalEncoder) { _ = write(to: &encoder) }

    /// Where in a header's bytes stands what is one call's alone, besides its id, which is in front.
    struct Places: Sendable {
        var timeLeft = 0
        /// Behind the length of the trace.
        var trace: Int?
        var ticket: Int?
    }

    /// Writes it from the encoder's beginning.
    func write(to encoder: inout CanonicalEncoder) -> Places {
        var places = Places()
        encoder.put(call.high)
        encoder.put(call.low)
        encoder.put(owner)
        encoder.put(ownerIncarnation)
        encoder.put(server)
        encoder.put(entry != nil)
        if let entry {
            encoder.put(entry.kind.rawValue)
            encoder.put(entry.hash)
        }
        encoder.put(text: method)
        encoder.put(virtualServer != nil)
        if let virtualServer { encoder.put(virtualServer) }
        encoder.put(principal)
        places.timeLeft = encoder.bytes.count
        encoder.put(timeLeftMS)
        encoder.put(bytes: client.capabilities.bytes)
        encoder.put(client.info != nil)
        if let info = client.info { encoder.put(bytes: info.bytes) }
        encoder.put(client.logLevel != nil)
        if let logLevel = client.logLevel { encoder.put(text: logLevel) }
        encoder.put(client.wantsProgress)
        encoder.put(client.traceparent != nil)
        if let traceparent = client.traceparent {
            places.trace = encoder.bytes.count + 4
            encoder.put(text: traceparent)
        }
        if let ticket {
            encoder.put(client.era == .legacy)
            places.ticket = encoder.bytes.count
            encoder.put(ticket)
            if let assumedBy {
                encoder.put(text: assumedBy.issuer)
                encoder.put(text: assumedBy.subject)
            }
        }
        return places
    }
}

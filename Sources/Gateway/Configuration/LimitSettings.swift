package import Composition
package import JSONSlice
import MCPModel
import MCPTransport

/// `limits`: what one node takes in, and how long it waits (docs/reference/limits.md). Whoever goes over one is told its
/// name.
package struct LimitSettings: Hashable, Sendable {
    package static let bytesDefault = MessageLimits.standard.bytesMax
    package static let bytesRange = 64 * 1024...1024 * 1024 * 1024
    package static let depthRange = 16...512
    package static let listPagesRange = 1...100_000
    /// No document of the mesh holds more (`Manifest.entriesMax`).
    package static let entriesRange = 1...10_000
    package static let headerRange = 4 * 1024...1024 * 1024
    package static let idleSessionRange = Duration.seconds(10)...Duration.seconds(7 * 86_400)
    package static let suspendedCallRange = Duration.seconds(1)...Duration.seconds(86_400)
    package static let responseRange = ServerDefinition.timeoutRange
    package static let callRange = Duration.seconds(1)...Duration.seconds(86_400)

    /// One JSON-RPC message: an HTTP body, a line of stdio, an event.
    package var messageBytes: Int
    /// Levels of nesting in one.
    package var nesting: Int
    /// Pages of one list of a server.
    package var listPages: Int
    /// Entries of one server, all its lists together.
    package var entries: Int
    /// The head of one HTTP message, with all its fields.
    package var headerBytes: Int
    /// A legacy client's session without a request.
    package var idleSession: Duration
    /// A call that waits for its client's answers.
    package var suspendedCall: Duration
    /// A call without an answer and without progress; `servers.NAME.timeout` where a server has its own.
    package var response: Duration
    /// A call from end to end, whatever its progress says.
    package var call: Duration
    /// Tools that an endpoint in mode `auto` lists, before they are searched instead.
    package var listedTools: Int

    package init(reading section: inout ConfigSection) {
        let message = MessageLimits.standard
        let (back, front) = (BackendLimits.standard, FrontLimits.standard)
        messageBytes = section.byteCount(
            LimitName.message.rawValue, default: message.bytesMax, in: Self.bytesRange)
        nesting = section.integer(
            LimitName.nesting.rawValue, default: message.depthMax, in: Self.depthRange)
        listPages = section.integer(
            LimitName.listPages.rawValue, default: back.pagesMax, in: Self.listPagesRange)
        entries = section.integer(LimitName.entries.rawValue, default: back.entriesMax, in: Self.entriesRange)
        headerBytes = section.byteCount(
            LimitName.header.rawValue, default: HTTPLimits.standard.message.headBytesMax, in: Self.headerRange
        )
        idleSession = section.duration(
            LimitName.idleSession.rawValue, default: front.sessionIdle, in: Self.idleSessionRange)
        suspendedCall = section.duration(
            LimitName.suspendedCall.rawValue, default: back.suspendedTimeMax, in: Self.suspendedCallRange)
        response = section.duration(
            LimitName.response.rawValue, default: back.silenceMax, in: Self.responseRange)
        call = section.duration(LimitName.call.rawValue, default: back.callMax, in: Self.callRange)
        listedTools = section.integer(
            LimitName.listedTools.rawValue, default: ListingMode.listedToolsDefault,
            in: ListingMode.listedToolsRange)
    }

    package static let standard = NodeConfiguration.standard.limits

    package var json: JSON {
        .object([
            (LimitName.message.rawValue, .string(ByteCount.spell(messageBytes))),
            (LimitName.nesting.rawValue, .number(nesting)),
            (LimitName.listPages.rawValue, .number(listPages)),
            (LimitName.entries.rawValue, .number(entries)),
            (LimitName.header.rawValue, .string(ByteCount.spell(headerBytes))),
            (LimitName.idleSession.rawValue, .string(DurationText.spell(idleSession))),
            (LimitName.suspendedCall.rawValue, .string(DurationText.spell(suspendedCall))),
            (LimitName.response.rawValue, .string(DurationText.spell(response))),
            (LimitName.call.rawValue, .string(DurationText.spell(call))),
            (LimitName.listedTools.rawValue, .number(listedTools)),
        ])
    }
}

// MARK: - Where they act

extension LimitSettings {
    private var message: MessageLimits {
        var limits = MessageLimits()
        limits.bytesMax = messageBytes
        limits.depthMax = nesting
        return limits
    }

    /// Of every front of this node.
    var front: FrontLimits {
        var limits = FrontLimits()
        limits.message = message
        limits.sessionIdle = idleSession
        limits.inputWait = suspendedCall
        limits.pipeBacklogMax = max(limits.pipeBacklogMax, 2 * messageBytes)
        return limits
    }

    /// Of one server.
    func back(of definition: ServerDefinition) -> BackendLimits {
        var limits = BackendLimits()
        limits.message = message
        limits.pagesMax = listPages
        limits.entriesMax = entries
        limits.callsMax = definition.concurrency
        limits.instances = definition.instances
        limits.instancesMax = max(limits.instancesMax, definition.instances)
        limits.silenceMax = definition.timeout ?? response
        limits.callMax = call
        limits.suspendedTimeMax = suspendedCall
        limits.backlogMax = max(limits.backlogMax, 2 * messageBytes)
        if definition.timeout != nil { limits.silenceName = "servers.\(definition.name).timeout" }
        return limits
    }

    /// Of the MCP listener.
    var listener: HTTPLimits {
        var limits = HTTPLimits()
        limits.message.bodyBytesMax = messageBytes
        limits.message.headBytesMax = headerBytes
        limits.bodyBytesOpenMax = max(limits.bodyBytesOpenMax, 4 * messageBytes)
        limits.names = HTTPLimitNames(
            body: LimitName.message.description, head: LimitName.header.description)
        return limits
    }

    /// Of the way to servers over HTTP.
    var client: HTTPClientLimits {
        var limits = HTTPClientLimits()
        limits.message.headBytesMax = headerBytes
        return limits
    }
}

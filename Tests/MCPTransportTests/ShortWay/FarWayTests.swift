import HTTPWire
import JSONSlice
import MCPModel
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import MCPTransport

/// The owner's end of a hop without the hop: a call as it comes from the mesh, over a lane of a backend.
struct OwnersEnd: Sendable {
    private let backend: Backend
    private let tool: LaneTool
    private let places: CallPlaces
    private let loop: any EventLoop
    private let time: Duration
    let ends = ShortWayRig.Ends()

    init(
        _ backend: Backend, _ lane: BackendLane, _ places: CallPlaces, on group: any EventLoopGroup,
        within time: Duration
    ) {
        self.backend = backend
        self.places = places
        self.time = time
        loop = FrontRig.loops.next()
        tool = LaneTool(
            lane: lane, caller: .anonymous, places: places, begun: {}, ended: { [ends] in ends.add($0) })
    }

    /// Takes in an order of the entry node's, on a loop that is not its client's.
    func take(_ order: FarTool.Order, _ sink: @escaping CallSink) -> CallHandle {
        let running = NIOLoopBoundBox.makeEmptyBox(valueType: CallHandle.self, eventLoop: loop)
        loop.execute {
            let general: @Sendable (CarriedCall?) -> CallHandle = { carried in
                let request = request(of: order)
                let told: CallSink = { event in
                    if carried != nil, event.isFinal { places.leave(after: nil) }
                    sink(event)
                }
                guard let carried else { return backend.call(request, told) }
                return backend.carry(request, carried, told)
            }
            guard
                let call = PlainToolCall(
                    carried: order.params, capabilities: order.capabilities, clientInfo: order.clientInfo)
            else { return sink(.failure(CallFailure(.invalidArguments, "no plain call"))) }
            running.value =
                LaneCall.begin(
                    call, order.id, over: tool, within: time, on: loop,
                    LaneCall.Outcomes(answered: { sink(.result($0)) }, carryOn: { general($0) }))
                ?? general(nil)
        }
        return CallHandle { loop.execute { running.value?.cancel() } }
    }

    private func request(of order: FarTool.Order) -> CallRequest {
        CallRequest(
            id: order.id, method: Method.toolsCall, params: order.params,
            client: ClientFacts(
                capabilities: order.capabilities, info: order.clientInfo,
                traceparent: TraceContext(begunBy: order.id).traceparent),
            caller: .anonymous, timeLeft: time)
    }
}

enum FarWay {
    /// - Parameter start: how calls of sessions begin.
    static func tool(
        named name: String, behind owner: OwnersEnd, _ ends: ShortWayRig.Ends,
        start: @escaping @Sendable (EndpointCall, @escaping CallSink) -> CallHandle
    ) -> FarTool {
        FarTool(
            name: .string(name), outward: nil, begun: {}, ended: { ends.add($0) },
            send: { owner.take($0, $1) }, carryOn: { _, carried, sink in carried.adopt(sink) }, start: start)
    }
}

/// Calls over a hop end as they would by the general way (docs/decisions/0040-the-short-way-over-a-hop.md).
@Suite(.timeLimit(.minutes(1)))
struct FarWayTests {
    @Test(arguments: ShortWayTests.Manner.allCases)
    func `a call that goes the short way ends as the one before it did`(manner: ShortWayTests.Manner)
        async throws
    {
        try await ShortWayRig.with(isFar: true, ShortWayTests.serve) { rig in
            let general = try await rig.call(manner.rawValue)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 0)
            let short = try await rig.call(manner.rawValue)
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1, "it went the general way")
            #expect(short.0 == general.0 && short.1 == general.1, "\(short) is not \(general)")
            // What the server leaves out its owner adds, so that it is plain from there on.
            #expect(
                rig.ends.answered == (manner.isPlain || [.untyped, .largeUntyped].contains(manner) ? 1 : 0))
            #expect(try await rig.isQuiet())
        }
    }

    @Test func `a server hears the same by either way`() async throws {
        let heard = Mutex<[JSON]>([])
        try await ShortWayRig.with(isFar: true) { _, id, exchange in
            let message = (try? JSON(validating: exchange.body)) ?? .null
            let meta = message["params"]?["_meta"]?.removing("traceparent") ?? .null
            let params = message["params"]?.setting("_meta", to: meta) ?? .null
            heard.withLock { $0.append(params) }
            exchange.say(id, #""content":[]"#)
        } _: { rig in
            for _ in 0..<3 {
                let status = try await rig.call("text", arguments: ["a": 12]).0
                #expect(status == 200)
            }
            let all = heard.withLock { $0 }
            #expect(all.count == 3 && Set(all).count == 1, "\(all)")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 2)
        }
    }

    @Test func `a client that goes ends its call at the server, and gives its place back`() async throws {
        let hangs = Mutex(false)
        let (asked, isAsked) = AsyncStream.makeStream(of: Void.self)
        let (gone, isGone) = AsyncStream.makeStream(of: Void.self)
        try await ShortWayRig.with(isFar: true) { _, id, exchange in
            guard hangs.withLock({ $0 }) else { return exchange.say(id, #""content":[]"#) }
            exchange.onClose { isGone.yield() }
            isAsked.yield()
            // Held until then: an exchange that is let go of is answered.
            exchange.eventLoop.scheduleTask(in: .seconds(30)) { exchange.respond(status: 500) }
        } _: { rig in
            _ = try await rig.call("text")
            hangs.withLock { $0 = true }
            try await rig.leave("text", when: asked)
            for await _ in gone { break }
            #expect(try await rig.isQuiet())
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
            #expect(rig.ends.cancelled == 1 && rig.ends.answered == 0)
        }
    }

    @Test func `silence ends it as it ends any call`() async throws {
        var limits = BackendRig.limits
        limits.silenceMax = .milliseconds(300)
        let hangs = Mutex(false)
        try await ShortWayRig.with(limits: limits, isFar: true) { _, id, exchange in
            guard hangs.withLock({ $0 }) else { return exchange.say(id, #""content":[]"#) }
            exchange.eventLoop.scheduleTask(in: .seconds(30)) { exchange.respond(status: 500) }
        } _: { rig in
            _ = try await rig.call("text")
            hangs.withLock { $0 = true }
            let silent = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
            #expect(silent.1[0]?["error"]?["data"]?["reason"]?.string == "deadline_exceeded")
            #expect(try await rig.isQuiet())
        }
    }

    @Test func `a call more than the server's places goes the general way`() async throws {
        try await ShortWayRig.with(isFar: true, ShortWayTests.serve) { rig in
            _ = try await rig.call("text")
            for _ in 0..<rig.places.max { #expect(rig.places.enter()) }
            _ = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 0)
            for _ in 0..<rig.places.max { rig.places.leave(after: nil) }
            _ = try await rig.call("text")
            #expect(rig.backend.state.withLock { $0.shortCalls } == 1)
        }
    }
}

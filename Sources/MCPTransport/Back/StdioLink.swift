import CProcess
import JSONSlice
import MCPModel
import NIOCore
import NIOPosix
import Synchronization

/// A backend that is our child and speaks over its standard input and output (mcp-spec §2.6).
final class StdioLink: BackendLink {
    private struct State: Sendable {
        var pipe: LinePipe?
        var open: [Int: @Sendable (LinkEvent) -> Void] = [:]
        /// Why nothing can be sent any more.
        var ended: BackendFault?
    }

    /// How often a child is looked at whose output is still open: its own children may hold it.
    private static let lookInterval = Duration.seconds(1)

    private let child: ChildProcess
    private let limits: BackendLimits
    private let news: @Sendable (LinkNews) -> Void
    private let state = Mutex(State())
    private let errorPipe = Mutex<LinePipe?>(nil)

    private init(
        _ child: ChildProcess, _ limits: BackendLimits, _ news: @escaping @Sendable (LinkNews) -> Void
    ) {
        self.child = child
        self.limits = limits
        self.news = news
    }

    static func start(
        command: String, args: [String], environment: [(String, SecretText)], directory: String?,
        secrets: @escaping @Sendable (String) throws -> [UInt8], limits: BackendLimits,
        on group: any EventLoopGroup, news: @escaping @Sendable (LinkNews) -> Void
    ) async throws(BackendFault) -> StdioLink {
        let spawned: Result<(ChildProcess, ChildProcess.Descriptors), BackendFault>
        do {
            spawned = try await NIOThreadPool.singleton.runIfActive {
                do throws(BackendFault) {
                    return .success(try spawn(command, args, environment, directory, secrets))
                } catch {
                    return .failure(error)
                }
            }
        } catch {
            throw BackendFault(.notReached, "cannot start \(command): \(error)")
        }
        let (child, descriptors) = try spawned.get()
        let link = StdioLink(child, limits, news)
        do {
            try await link.open(descriptors, on: group.next())
        } catch {
            _ = await link.close()
            throw BackendFault(.notReached, "cannot use the pipes of \(command): \(error)")
        }
        return link
    }

    private static func spawn(
        _ command: String, _ args: [String], _ environment: [(String, SecretText)], _ directory: String?,
        _ secrets: (String) throws -> [UInt8]
    ) throws(BackendFault) -> (ChildProcess, ChildProcess.Descriptors) {
        var variables: [(String, [UInt8])] = []
        let own = Set(environment.map(\.0))
        for name in ChildEnvironment.inherited where !own.contains(name) {
            if let value = ChildEnvironment.value(name) { variables.append((name, Array(value.utf8))) }
        }
        do {
            for (name, text) in environment { variables.append((name, try text.opened(with: secrets))) }
        } catch {
            throw BackendFault(.sealed, "a secret of its environment cannot be opened: \(error)")
        }
        defer {
            for index in variables.indices {
                variables[index].1.withUnsafeMutableBytes { bytes in
                    if let base = bytes.baseAddress { cprocess_wipe(base, bytes.count) }
                }
            }
        }
        return try ChildProcess.spawn(
            command: command, args: args, environment: variables, directory: directory)
    }

    private func open(_ descriptors: ChildProcess.Descriptors, on loop: any EventLoop) async throws {
        _ = try await LinePipe.open(
            input: descriptors.output, output: descriptors.input, on: loop,
            lineBytesMax: limits.lineBytesMax, backlogMax: limits.backlogMax,
            onOpen: { [weak self] pipe in self?.state.withLock { $0.pipe = pipe } },
            onLine: { [weak self] in self?.take($0) },
            onEnd: { [weak self] in
                self?.ended(BackendFault(.lost, "the process closed its output"), isNews: true)
            })
        let news = self.news
        let bytesMax = limits.stderrLineBytesMax
        let errors = try await LinePipe.open(
            input: descriptors.error, output: nil, on: loop, lineBytesMax: limits.lineBytesMax,
            backlogMax: limits.backlogMax,
            onLine: { line in
                if case .line(let bytes) = line {
                    news(.line(String(decoding: bytes.prefix(bytesMax), as: UTF8.self)))
                }
            }, onEnd: {})
        errorPipe.withLock { $0 = errors }
    }

    // MARK: Out

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        let ready: Result<LinePipe, BackendFault> = state.withLock { state in
            if let ended = state.ended { return .failure(BackendFault(.notReached, ended.detail)) }
            guard let pipe = state.pipe else { return .failure(BackendFault(.notReached, "it is starting")) }
            state.open[request.number] = sink
            return .success(pipe)
        }
        switch ready {
        case .failure(let fault):
            sink(.fault(fault))
            return .finished
        case .success(let pipe):
            let message = RPCMessage.request(
                id: RPCID(request.number), method: request.method, params: request.params)
            pipe.write(message.json.onOneLine.bytes)
            return CallHandle { [weak self] in self?.cancel(request.number) }
        }
    }

    func notify(_ method: String, _ params: JSON?) {
        write(RPCMessage.notification(method: method, params: params))
    }

    private func write(_ message: RPCMessage) {
        state.withLock { $0.pipe }?.write(message.json.onOneLine.bytes)
    }

    private func cancel(_ number: Int) {
        guard state.withLock({ $0.open.removeValue(forKey: number) }) != nil else { return }
        notify(Method.cancelled, ["requestId": .number(number)])
    }

    // MARK: In

    private func take(_ line: LineSplitter.Line) {
        guard case .line(let bytes) = line else {
            return ended(
                BackendFault(.broken, "it wrote a line of more than \(limits.lineBytesMax) bytes"),
                isNews: true)
        }
        guard let document = try? JSON(validating: bytes), document.kind == .object else {
            let shown = String(decoding: bytes.prefix(limits.stderrLineBytesMax), as: UTF8.self)
            return news(.line("(no message) \(shown)"))
        }
        do throws(RPCError) {
            take(try RPCMessage(document))
        } catch {
            guard let number = RPCMessage.readableID(in: document)?.json.int, document["method"] == nil,
                let sink = state.withLock({ $0.open.removeValue(forKey: number) })
            else { return news(.line("(no valid message) \(error.message)")) }
            sink(.fault(BackendFault(.broken, "its answer is no valid message: \(error.message)")))
        }
    }

    private func take(_ message: RPCMessage) {
        switch message {
        case .response(let id, let result): finish(id, .result(result))
        case .errorResponse(let id?, let error): finish(id, .error(error))
        case .errorResponse(nil, let error):
            news(.line("(error without an id) \(RPCError(reading: error))"))
        case .request(let id, let method, _):
            write(LinkAnswer.toRequest(id, method))
        case .notification(let method, let params):
            notification(method, params ?? .emptyObject)
        }
    }

    private func finish(_ id: RPCID, _ event: LinkEvent) {
        // An answer to what was cancelled or timed out meanwhile finds nobody.
        guard let number = id.json.int else { return }
        state.withLock { $0.open.removeValue(forKey: number) }?(event)
    }

    private func notification(_ method: String, _ params: JSON) {
        let event = LinkEvent.notification(method: method, params: params)
        if let number = params["_meta"]?[MetaKey.subscriptionId]?.int {
            state.withLock { $0.open[number] }?(event)
        } else if let change = ListChange(method: method) {
            news(.changed(change))
        } else if method == Method.progress, let number = params["progressToken"]?.int {
            state.withLock { $0.open[number] }?(event)
        } else if method == Method.message {
            // It names no request; only if one alone is running can it be meant.
            state.withLock { $0.open.count == 1 ? $0.open.first?.value : nil }?(event)
        }
    }

    // MARK: End

    func settle(_ revision: ProtocolRevision) {}

    func attend() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.lookInterval)
            let now = child.state
            guard now == .running else {
                return ended(BackendFault(.lost, "the process \(now)"), isNews: true)
            }
        }
    }

    func close() async -> String? {
        ended(BackendFault(.lost, "the connection was closed"), isNews: false)
        let (pipe, errors) = (state.withLock { $0.pipe }, errorPipe.withLock { $0 })
        // Closing its input is how a server is asked to end; what it still says is of no interest.
        pipe?.closeOutput()
        let last = await child.end(closeGrace: limits.closeGrace, terminateGrace: limits.terminateGrace)
        pipe?.close()
        errors?.close()
        return "the process \(last)"
    }

    private func ended(_ fault: BackendFault, isNews: Bool) {
        let open: [@Sendable (LinkEvent) -> Void]? = state.withLock { state in
            guard state.ended == nil else { return nil }
            state.ended = fault
            defer { state.open = [:] }
            return Array(state.open.values)
        }
        guard let open else { return }
        for sink in open { sink(.fault(BackendFault(.lost, fault.detail))) }
        if isNews { news(.lost(fault)) }
    }
}

/// What a backend is answered when it asks us for something.
enum LinkAnswer {
    /// We declare no capability of a client to legacy backends, so all they may ask is whether we live.
    /// (Handing their requests on to the caller is still to come.)
    static func toRequest(_ id: RPCID, _ method: String) -> RPCMessage {
        method == Method.ping
            ? .response(id: id, result: .emptyObject) : .failure(id, .methodNotFound(method))
    }
}

extension ListChange {
    init?(method: String) {
        guard let change = Self.allCases.first(where: { $0.method == method }) else { return nil }
        self = change
    }
}

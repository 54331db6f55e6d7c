import CProcess
import JSONSlice
import MCPModel
import NIOCore
import NIOPosix
import Synchronization

/// A backend that is our child and speaks over its standard input and output.
final class StdioLink: BackendLink {
    /// Its only session lives as long as the link.
    var sessionNumber: Int { 0 }

    /// How often a child is looked at whose output is still open: its own children may hold it.
    private static let lookInterval = Duration.seconds(1)

    /// How long the rest of what an ended child wrote to its standard error is waited for.
    private static let lastWords = Duration.milliseconds(200)

    private let child: ChildProcess
    private let limits: BackendLimits
    private let news: @Sendable (LinkNews) -> Void
    private let requests: OpenRequests
    private let output: PipeBox
    private let errorPipe = PipeBox()
    private let errorsRead = Once<Void>()

    private init(
        _ child: ChildProcess, _ limits: BackendLimits, on loop: any EventLoop,
        _ news: @escaping @Sendable (LinkNews) -> Void
    ) {
        self.child = child
        self.limits = limits
        self.news = news
        let output = PipeBox()
        self.output = output
        requests = OpenRequests(on: loop, limits, news: news) {
            output.pipe?.write($0.json.onOneLine.bytes)
        }
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
        let loop = group.next()
        let link = StdioLink(child, limits, on: loop, news)
        do {
            try await link.open(descriptors, on: loop)
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
            throw BackendFault(unopened: error, of: "environment")
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
            lineBytesMax: limits.message.bytesMax, backlogMax: limits.backlogMax,
            // A child may write an answer before it reads on: if we waited for its reading, it for ours, both would
            // wait for ever.
            readsOn: .always, writesAtOnce: true,
            onOpen: { [weak self] pipe in self?.output.set(pipe) },
            onLine: { [weak self] in self?.take($0) },
            onEnd: { [weak self] in
                self?.requests.end(BackendFault(.lost, "the process closed its output"), isNews: true)
            })
        let news = self.news
        let bytesMax = limits.stderrLineBytesMax
        let errors = try await LinePipe.open(
            input: descriptors.error, output: nil, on: loop, lineBytesMax: bytesMax,
            backlogMax: limits.backlogMax,
            onLine: { line in
                if case .line(let bytes) = line {
                    news(.line(String(decoding: bytes.prefix(bytesMax), as: UTF8.self)))
                }
            }, onEnd: { [errorsRead] in errorsRead.finish(()) })
        errorPipe.set(errors)
    }

    // MARK: Out

    func send(_ request: LinkRequest, _ sink: @escaping @Sendable (LinkEvent) -> Void) -> CallHandle {
        if let carried = request.carried {
            let hold = carried.adopt { event in
                guard case .line(let event) = event else { return }
                if case .fault(let fault) = event, fault.kind == .cancelled { return }
                sink(event)
            }
            return CallHandle { hold.cancel() }
        }
        guard requests.admit(request, sink) else { return .finished }
        write(.request(id: RPCID(request.number), method: request.method, params: request.params))
        return CallHandle { [weak self] in self?.requests.cancel(request.number) }
    }

    /// Sends a call by the short way.
    ///
    /// - Parameters:
    ///   - line: its message.
    ///   - due: see ``OpenRequests/admit(_:due:for:)``.
    /// - Returns: `nil` where nothing was sent; ``closed`` says why.
    func send(
        line: [UInt8], _ number: Int, due: NIODeadline, for user: any LaneUser
    ) -> LaneHold? {
        guard requests.admit(number, due: due, for: user) else { return nil }
        output.pipe?.write(line)
        return .line(requests, number: number)
    }

    var closed: BackendFault { requests.ended }
    var laneLink: LaneLink? { .child(self) }

    func notify(_ method: String, _ params: JSON?) { write(.notification(method: method, params: params)) }

    func announce(_ method: String) async { notify(method, nil) }

    func respond(_ message: RPCMessage) { write(message) }

    private func write(_ message: RPCMessage) { output.pipe?.write(message.json.onOneLine.bytes) }

    // MARK: In

    private func take(_ line: LineSplitter.Line) {
        switch line {
        case .line(let bytes): requests.take(bytes)
        case .tooLong(let skim): requests.takeTooLong(skim)
        }
    }

    // MARK: End

    func settle(_ revision: ProtocolRevision) {}

    func attend() async {
        while !Task.isCancelled {
            try? await Task.sleep(for: Self.lookInterval)
            let now = child.state
            guard now == .running else {
                return requests.end(BackendFault(.lost, "the process \(now)"), isNews: true)
            }
            // It would outlive us; started again, it has a guard again.
            guard child.isGuarded else {
                return requests.end(BackendFault(.lost, "its guard process was killed"), isNews: true)
            }
        }
    }

    func close() async -> String? {
        requests.end(BackendFault(.lost, "the connection was closed"), isNews: false)
        let (pipe, errors) = (output.pipe, errorPipe.pipe)
        // Closing its input is how a server is asked to end; what it still says is of no interest.
        pipe?.closeOutput()
        let last = await child.end(closeGrace: limits.closeGrace, terminateGrace: limits.terminateGrace)
        pipe?.close()
        // Its last words may still be in the pipe, and a process that left its group may hold it open.
        if let errors {
            let timer = errors.loop.scheduleTask(in: TimeAmount(Self.lastWords)) { [errorsRead] in
                errorsRead.finish(())
            }
            await errorsRead.wait(cancelled: ())
            timer.cancel()
            errors.close()
        }
        return "the process \(last)"
    }
}

/// A pipe that comes after those who use it.
private final class PipeBox: Sendable {
    private let box = Mutex<LinePipe?>(nil)

    var pipe: LinePipe? { box.withLock { $0 } }

    func set(_ pipe: LinePipe) { box.withLock { $0 = pipe } }
}

extension ListChange {
    init?(method: String) {
        guard let change = Self.allCases.first(where: { $0.method == method }) else { return nil }
        self = change
    }
}

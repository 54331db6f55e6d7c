import Foundation
import Synchronization

/// A program that a test runs: what it prints is kept, and it never outlives the test.
final class Program: Sendable {
    /// What is kept of its output; a chatty program must not eat the test's memory.
    static let outputMax = 16 * 1024 * 1024
    /// How long the pipes of a program that ended are read on: a grandchild may hold them open for ever.
    static let drainMax = Duration.seconds(1)

    struct Outcome: Sendable {
        let status: Int32
        let output: String
        let errors: String
    }

    private let process: Process
    private let output: Printed
    private let errors: Printed

    var pid: Int32 { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var outputText: String { output.text }
    var errorText: String { errors.text }

    /// - Parameters:
    ///   - environment: added to this process's own.
    ///   - input: what it reads on its standard input, which then ends.
    init(
        _ command: [String], environment: [String: String] = [:], input: String? = nil, folder: String? = nil
    ) throws {
        _ = Self.ignoresBrokenPipes
        process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
        let (out, err, into) = (Pipe(), Pipe(), Pipe())
        process.standardOutput = out
        process.standardError = err
        process.standardInput = into
        output = Printed(out, keeping: Self.outputMax)
        errors = Printed(err, keeping: Self.outputMax)
        try process.run()
        if let input {
            // One that ended without reading has said why on its standard error.
            try? into.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        }
        try into.fileHandleForWriting.close()
    }

    deinit { if process.isRunning { kill(process.processIdentifier, SIGKILL) } }

    /// Runs to the end; a program that takes longer than `limit` is killed and fails the test.
    static func run(
        _ command: [String], environment: [String: String] = [:], input: String? = nil, folder: String? = nil,
        limit: Duration = .seconds(60)
    ) async throws -> Outcome {
        let program = try Program(command, environment: environment, input: input, folder: folder)
        return try await program.outcome(within: limit)
    }

    func outcome(within limit: Duration) async throws -> Outcome {
        do {
            try await eventually(
                "\((process.arguments ?? []).joined(separator: " ")) ends", within: limit,
                every: .milliseconds(5)
            ) { !process.isRunning }
        } catch {
            kill(pid, SIGKILL)
            throw TestFailure("\(error)\nit had printed:\n\(outputText)\n\(errorText)")
        }
        _ = try? await eventually("its output ends", within: Self.drainMax, every: .milliseconds(1)) {
            output.isAtEnd && errors.isAtEnd
        }
        return Outcome(status: process.terminationStatus, output: outputText, errors: errorText)
    }

    func signal(_ number: Int32) { kill(pid, number) }

    /// Writing to a program that has ended is an error to handle, not the end of all tests.
    private static let ignoresBrokenPipes: Void = { _ = Glibc.signal(SIGPIPE, SIG_IGN) }()
}

/// What came through a pipe so far.
private final class Printed: Sendable {
    private let state = Mutex<(data: Data, isAtEnd: Bool)>((Data(), false))

    var text: String { state.withLock { String(decoding: $0.data, as: UTF8.self) } }
    var isAtEnd: Bool { state.withLock(\.isAtEnd) }

    init(_ pipe: Pipe, keeping bytesMax: Int) {
        pipe.fileHandleForReading.readabilityHandler = { [weak self] handle in
            let data = handle.availableData
            if data.isEmpty { handle.readabilityHandler = nil }
            self?.state.withLock { state in
                state.data.append(data.prefix(max(0, bytesMax - state.data.count)))
                if data.isEmpty { state.isAtEnd = true }
            }
        }
    }
}

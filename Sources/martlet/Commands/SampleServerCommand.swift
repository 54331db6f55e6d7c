import ArgumentParser
import Gateway
import Glibc
import MCPTransport

/// The MCP server inside this binary: what `servers add sample` starts as a child.
struct SampleServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sample-server", abstract: "The sample MCP server, over standard input and output.")

    func run() async throws {
        let sample = SampleServer(
            version: SoftwareVersion.current, now: { Int64(time(nil)) }, loops: EventLoops.shared)
        try await StdioFront(service: sample.service)
            .serve(input: dup(STDIN_FILENO), output: dup(STDOUT_FILENO), on: EventLoops.shared)
    }
}

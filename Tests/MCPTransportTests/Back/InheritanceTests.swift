import Testing

@testable import MCPTransport

@Suite(.timeLimit(.minutes(1)))
struct InheritanceTests {
    @Test func `a child inherits its three pipes, and no socket of ours`() async throws {
        try await Bench.run(handler: { $0.respond(status: 200) }) { bench in
            // A listener and a connection are open now; the others of this suite's process besides.
            let peer = try await RawPeer.connect(port: bench.port)
            let script = #"echo "sockets: $(ls -l /proc/$$/fd | grep -c 'socket:')" >&2; exec cat"#
            let target = BackendTarget.stdio(command: "sh", args: ["-c", script], env: [], directory: nil)
            try await BackendRig.with(target) { rig in
                let line = try await rig.line(containing: "sockets:")
                #expect(line == "sockets: 0")
            }
            // On a slow machine the listener may have been tired of it by now.
            try? await peer.close()
        }
    }
}

import Foundation
import JSONSlice
import MartletTestKit
import Testing

extension EndToEnd.Orphans {
    /// How long what a node started may outlive it, however it ended.
    static let goneMax = Duration.seconds(5)

    /// A server that speaks just enough, and neither it nor its child heeds SIGTERM or the end of its input.
    private static let stubborn = #"""
        trap '' TERM
        (trap '' TERM; exec sleep 600) &
        echo "$$ $!" > started
        while :; do
          if IFS= read -r line; then
            id=$(printf '%s' "$line" | sed -n 's/^{"jsonrpc":"2.0","id":\([0-9]*\),.*/\1/p')
            case "$line" in
              *'"method":"initialize"'*)
                printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-06-18","capabilities":{"tools":{}},"serverInfo":{"name":"stubborn","version":"1"}}}\n' "$id" ;;
              *'"method":"tools/list"'*) printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[]}}\n' "$id" ;;
              *'"id":'*) printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"no"}}\n' "$id" ;;
            esac
          else
            sleep 1
          fi
        done
        """#

    enum Way: CaseIterable { case killed, stopped }

    @Test(.timeLimit(.minutes(2)), arguments: Way.allCases)
    func `no server and no child of a server outlives its node`(way: Way) async throws {
        let scratch = try Scratch()
        let script = try scratch.write(Self.stubborn, to: "server.sh")
        let yaml =
            quiet("orphans")
            + "\nservers:\n  stubborn: {command: sh, args: [\"\(script)\"], cwd: \"\(scratch.path)\"}\n"
        let node = try await TestNode("orphans", in: scratch, yaml: yaml)
        try await eventually("the server is up") {
            try await node.json("servers", "list")["servers"]?[0]?["state"]?.string == "up"
        }
        let started = try String(contentsOfFile: "\(scratch.path)/started", encoding: .utf8)
        let numbers = started.split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
        try #require(numbers.count == 2)
        #expect(numbers.allSatisfy(isRunning))
        switch way {
        case .killed: try await node.kill()
        case .stopped: node.program.signal(SIGTERM)
        }
        let took = try await eventually("its server and the server's child are gone", within: limit(of: way))
        {
            !numbers.contains(where: isRunning)
        }
        print("gone \(took) after the node was \(way)")
        if way == .stopped { #expect(try await node.program.outcome(within: .seconds(10)).status == 0) }
    }

    /// A node that is asked to stop asks its servers first, and gives them their graces.
    private func limit(of way: Way) -> Duration { way == .killed ? Self.goneMax : Self.goneMax + .seconds(5) }

    /// One that ended and that nobody has collected yet no longer runs.
    private func isRunning(_ pid: Int32) -> Bool {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else {
            return false
        }
        return stat.split(separator: ")").last?.split(separator: " ").first != "Z"
    }
}

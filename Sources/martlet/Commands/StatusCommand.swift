import ArgumentParser
import JSONSlice

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "The node, its peers, its servers, and what needs a person.")

    @OptionGroup var options: NodeOptions

    func run() async throws {
        try await options.withNode { node in
            options.show(try await node.get("/v1/status"), StatusPage.print)
        }
    }
}

/// `martlet status` as text; fits 100 columns.
enum StatusPage {
    static func print(_ status: JSON) {
        let node = status["node"] ?? .emptyObject
        Terminal.say(
            "\(Terminal.bold(node.words("label"))) on segment \(node.words("segment")), mesh \(node.words("mesh").prefix(8))…,"
                + " roles \(node.words("roles")), up \(age(seconds: node.count("uptimeSeconds")))")
        let listen = status["listen"] ?? .emptyObject
        Terminal.say(
            "MCP \(listen.words("mcpURL"))/mcp\(listen["mcpBound"]?.string.map { " (on \($0))" } ?? "")   admin \(listen.words("admin"))   mesh "
                + (listen["mesh"]?.string ?? "none (dials out only)"))
        Terminal.say(Terminal.wrapped("mDNS \(status.words("mdns"))"))
        peers(status.list("peers"))
        if let alone = node["aloneSinceSeconds"]?.int {
            Terminal.say(
                Terminal.wrapped(
                    "alone since \(age(seconds: alone)): no peer is linked, what is shown of others is of the age shown"
                ))
        } else if node["isConfirmed"]?.bool == false {
            Terminal.say("not confirmed: no peer has answered since this node started")
        }
        servers(status.list("servers"))
        let virtual = status.list("virtualServers")
        if !virtual.isEmpty {
            Terminal.say("\nVirtual servers")
            var table = Table("name", "entries", "by", "endpoint")
            for item in virtual {
                table.add(
                    item.words("name"), "\(item.count("entries"))", item.words("author"),
                    item.words("endpoint"))
            }
            Terminal.say(table.rendered())
        }
        let attention = status.list("attention")
        if !attention.isEmpty {
            Terminal.say("\nNeeds a person")
            for item in attention {
                Terminal.say(Terminal.wrapped("  - " + Terminal.singleLine(item.string ?? "")))
            }
        }
    }

    static func peers(_ peers: [JSON]) {
        Terminal.say("\nPeers")
        guard !peers.isEmpty else {
            Terminal.say("  none yet; `martlet mesh token` here, `martlet up --join TOKEN` on another host")
            return
        }
        var table = Table("name", "segment", "state", "path", "since", "rtt", "servers", "tools", "age")
        for peer in peers {
            table.add(
                peer.words("label"), peer.words("segment"), peer.words("state"), peer.words("path"),
                peer["sinceSeconds"] == nil ? "-" : age(seconds: peer.count("sinceSeconds")),
                peer["roundTripMilliseconds"]?.double.map { "\(tenths($0)) ms" } ?? "-",
                "\(peer.count("servers"))", "\(peer.count("tools"))", age(seconds: peer.count("ageSeconds")))
        }
        Terminal.say(table.rendered())
    }

    static func servers(_ servers: [JSON]) {
        Terminal.say("\nServers")
        guard !servers.isEmpty else {
            Terminal.say("  none yet; `martlet servers add sample`, or `martlet servers import mcp.json`")
            return
        }
        var table = Table("name", "owner", "state", "since", "speaks", "tools", "latency", "why")
        for server in servers {
            table.add(
                server.words("name"), server.words("owner"), server.words("state"),
                server["sinceSeconds"]?.int.map { age(seconds: $0) } ?? "-", server.words("revision"),
                "\(server.count("tools"))",
                server["latencyMilliseconds"]?.double.map { "\(tenths($0)) ms" } ?? "-",
                server.words("reason"))
        }
        Terminal.say(table.rendered())
    }

    /// To the tenth; below it, as round trips on one segment are, to the hundredth.
    static func tenths(_ value: Double) -> String {
        let steps = value < 0.1 ? 100.0 : 10.0
        return "\((value * steps).rounded() / steps)"
    }
}

import Admin
import ArgumentParser
import JSONSlice

struct Client: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The configuration with which a client connects to this node.",
        discussion:
            "Prints it; nothing is written. Clients: claude, cursor, vscode, or any other name for the plain form."
    )

    @Argument(help: "claude, cursor, vscode, other.") var client = "other"
    @Option(help: "One virtual or real server instead of the whole catalog.") var server: String?
    @Flag(help: "Have the client start `martlet stdio` instead of connecting over HTTP.") var stdio = false
    @OptionGroup var options: NodeOptions

    func run() async throws {
        try await options.withNode { node in
            let status = try await node.get("/v1/status")
            let base = status["listen"]?["mcpURL"]?.string ?? "http://127.0.0.1:7330"
            let path = server.map { AdminClient.path("servers", $0, "mcp") } ?? "/mcp"
            let name = server.map { "martlet-\($0)" } ?? "martlet"
            let url = base + path
            if options.json {
                return Terminal.data(
                    JSON.object([
                        ("name", .string(name)), ("entry", entry(url: url)),
                        ("needsKey", .bool(status["needsKey"]?.bool == true)),
                    ]).text)
            }
            Terminal.say(Self.configuration(of: client, name: name, url: url, entry: entry(url: url)))
            if status["needsKey"]?.bool == true {
                Terminal.complain(
                    "This node wants a key: martlet token create NAME, then add the header Authorization: Bearer TOKEN."
                )
            }
        }
    }

    private func entry(url: String) -> JSON {
        guard stdio else { return .object([("type", "http"), ("url", .string(url))]) }
        var arguments: [JSON] = ["stdio"]
        if let server { arguments += ["--server", .string(server)] }
        return .object([("command", "martlet"), ("args", .array(arguments))])
    }

    private static func configuration(of client: String, name: String, url: String, entry: JSON) -> String {
        switch client {
        case "claude" where entry["url"] != nil: "claude mcp add --transport http \(name) \(url)"
        case "vscode": JSON.object([("servers", .object([(name, entry)]))]).text
        default: JSON.object([("mcpServers", .object([(name, entry)]))]).text
        }
    }
}

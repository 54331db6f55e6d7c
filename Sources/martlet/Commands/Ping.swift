import Admin
import ArgumentParser
import JSONSlice

struct Ping: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Have a node answer over the way that a call takes, and time it.")

    @Argument(help: "The node's name, or its id.") var node: String
    @OptionGroup var options: NodeOptions

    func run() async throws {
        try await options.withNode { admin in
            let answer = try await admin.post(AdminClient.path("v1", "peers", node, "ping"), .emptyObject)
            options.show(answer) { answer in
                let path = answer.list("path").compactMap(\.string)
                let tenths = StatusPage.tenths(answer["roundTripMilliseconds"]?.double ?? 0)
                Terminal.say("\(answer.words("label")) answered in \(tenths) ms")
                let way = ([answer.words("from")] + path).joined(separator: " → ")
                let how = path.count == 1 ? "a direct link" : "mutual TLS end to end in a circuit"
                Terminal.say(Terminal.wrapped("path \(way) (\(how))"))
            }
        }
    }
}

import Admin
import ArgumentParser
import JSONSlice

struct PathCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "path", abstract: "The way to a node, hop by hop, and the second-best one.")

    @Argument(help: "The node's name, or its id.") var node: String
    @OptionGroup var options: NodeOptions

    func run() async throws {
        try await options.withNode { admin in
            options.show(try await admin.get(AdminClient.path("v1", "peers", node, "path"))) { answer in
                Terminal.say(Self.line(answer, answer["best"] ?? .emptyObject))
                let since =
                    answer["sinceSeconds"].map { _ in
                        ", on this way for \(age(seconds: answer.count("sinceSeconds")))"
                    } ?? ""
                let below = answer["best"]?.count("belowMilliseconds") ?? 0
                Terminal.say("round trip below \(below) ms\(since)")
                var table = Table("hop", "node", "segment", "round trip")
                for (number, hop) in (answer["best"] ?? .emptyObject).list("hops").enumerated() {
                    let measured = hop["roundTripMilliseconds"]?.double
                    table.add(
                        "\(number + 1)", hop.words("label"), hop.words("segment"),
                        measured.map { "\(StatusPage.tenths($0)) ms" }
                            ?? "below \(hop.count("roundTripBelowMilliseconds")) ms")
                }
                Terminal.say(table.rendered())
                if let second = answer["second"] {
                    Terminal.say(
                        Terminal.wrapped(
                            "Second best: \(Self.line(answer, second)), below \(second.count("belowMilliseconds")) ms"
                        ))
                } else {
                    Terminal.say("No second way: each link on this one is the only one there.")
                }
            }
        }
    }

    private static func line(_ answer: JSON, _ way: JSON) -> String {
        ([answer.words("from")] + way.list("hops").map { $0.words("label") }).joined(separator: " → ")
    }
}

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

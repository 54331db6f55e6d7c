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
                let best = answer["best"] ?? .emptyObject
                Terminal.say(Self.line(answer, best))
                let since =
                    answer["sinceSeconds"].map { _ in
                        ", on this way for \(age(seconds: answer.count("sinceSeconds")))"
                    } ?? ""
                Terminal.say("round trip below \(best.count("belowMilliseconds")) ms\(since)")
                var table = Table("hop", "node", "segment", "round trip", "from here")
                for (number, hop) in best.list("hops").enumerated() {
                    func measured(_ key: String) -> String? {
                        hop[key]?.double.map { "\(StatusPage.tenths($0)) ms" }
                    }
                    table.add(
                        "\(number + 1)", hop.words("label"), hop.words("segment"),
                        measured("roundTripMilliseconds")
                            ?? "below \(hop.count("roundTripBelowMilliseconds")) ms",
                        measured("fromHereMilliseconds") ?? "-")
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

import ArgumentParser
import JSONSlice

struct Peers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Every node of the mesh, how it is reached, and meshes that were seen but not joined.")

    @OptionGroup var options: NodeOptions

    func run() async throws {
        try await options.withNode { node in
            options.show(try await node.get("/v1/peers")) { answer in
                StatusPage.peers(answer.list("peers"))
                let found = answer.list("found")
                guard !found.isEmpty else { return }
                Terminal.say("\nFound by mDNS, of another mesh")
                var table = Table("mesh", "node", "address", "interface")
                for item in found {
                    table.add(
                        item.words("mesh"), item.words("node"), item.words("address"), item.words("interface")
                    )
                }
                Terminal.say(table.rendered())
                Terminal.say("  to join it: `martlet mesh token` there, then `martlet mesh join TOKEN` here")
            }
        }
    }
}

import Foundation
import MartletTestKit
import Testing

/// The rig itself: what the tests on segments take for granted.
extension EndToEnd.RigItself {
    @Test(.timeLimit(.minutes(1)))
    func `hosts hear and reach one another on their own segments only`() async throws {
        try await Rig.with("a=1", "b=1,2", "c=2") { rig in
            let b = try await rig.address(of: "b", on: 1)
            #expect(try await reaches(b, from: "a", rig))
            #expect(try await !reaches(try await rig.address(of: "c", on: 2), from: "a", rig))

            let service = try Program(rig.on("b") + ["avahi-publish", "-s", "here", "_martlet._tcp", "7332"])
            for host in ["a", "c"] {
                try await eventually("\(host) hears b") {
                    try await rig.run(on: host, "avahi-browse", "-rptk", "_martlet._tcp").contains(";here;")
                }
            }
            let own = try Program(rig.on("c") + ["avahi-publish", "-s", "there", "_martlet._tcp", "7332"])
            try await eventually("b hears c") {
                try await rig.run(on: "b", "avahi-browse", "-rptk", "_martlet._tcp").contains(";there;")
            }
            let heard = try await rig.run(on: "a", "avahi-browse", "-rptk", "_martlet._tcp")
            #expect(heard.contains(b) && !heard.contains("there"), "\(heard)")
            #expect(service.isRunning && own.isRunning)
        }
    }

    @Test(.timeLimit(.minutes(1)))
    func `rigs do not meet, and nothing is left of them`() async throws {
        let spaces = try await Rig.with("a=1") { first in
            try await Rig.with("a=1", "b=1") { second in
                let neighbour = try await second.address(of: "b", on: 1)
                #expect(try await reaches(neighbour, from: "a", second))
                #expect(try await !reaches(neighbour, from: "a", first))
                let identify = "ip netns identify $$"
                return [
                    try await first.run(on: "a", "sh", "-c", identify),
                    try await second.run(on: "a", "sh", "-c", identify),
                ]
            }
        }
        #expect(Set(spaces).count == 2)
        for space in spaces {
            let name = space.trimmingCharacters(in: .whitespacesAndNewlines)
            #expect(!name.isEmpty && !FileManager.default.fileExists(atPath: "/run/netns/\(name)"))
        }
    }

    /// Whether packets get there and back: nobody listens, and the far host says so.
    private func reaches(_ address: String, from host: String, _ rig: Rig) async throws -> Bool {
        let outcome = try await Program.run(
            rig.on(host) + ["curl", "-sv", "--max-time", "1", "http://\(address):9/"])
        return outcome.errors.contains("Connection refused")
    }
}

import Catalog
import Glibc
import MartletTestKit
import Mesh

/// `mesh-simulation ROWS --nodes N --seed S`: measures what the mesh promises with the product's own cores in virtual time, and says one
/// line of JSON for each row. Rows are separated by commas and are measured one after the other in one mesh:
/// peace, change, kill, silence; each in a mesh of its own: revoke, partition, cold, false, pair, starved.
@main
struct MeshSimulation {
    static func main() throws {
        var arguments = Array(CommandLine.arguments.dropFirst())
        func option(_ name: String, _ fallback: Int) -> Int {
            guard let at = arguments.firstIndex(of: name), at + 1 < arguments.count else { return fallback }
            defer { arguments.removeSubrange(at...at + 1) }
            return Int(arguments[at + 1]) ?? fallback
        }
        let count = option("--nodes", 100)
        let seed = UInt64(option("--seed", 1))
        let trials = option("--trials", count > 300 ? 10 : 30)
        let hours = option("--hours", 10)
        let rows =
            arguments.first?.split(separator: ",").map(String.init) ?? ["peace", "change", "kill", "silence"]

        let inOneMesh = ["peace", "change", "kill", "silence"].filter(rows.contains)
        if !inOneMesh.isEmpty {
            var limits = MeshLimits()
            // At a thousand nodes this alone is hundreds of millions of frames, and nothing that is measured here.
            if count > 300 { limits.surplusFor = .seconds(24 * 3600) }
            let town = try Town(count, seed: seed, limits: limits)
            try town.settle(count > 300 ? .seconds(5) : .seconds(90))
            for row in inOneMesh {
                switch row {
                case "peace": try town.measurePeace().forEach { $0.say() }
                case "change":
                    for loss in [0, 5, 10, 20] { try town.measureChange(loss: loss, trials: trials).say() }
                case "kill": try town.measureKill(trials: trials, silently: false).say()
                default: try town.measureKill(trials: trials, silently: true).say()
                }
            }
        }
        for row in rows {
            switch row {
            case "revoke": try Town.measureRevocation(count, seed: seed, trials: trials).say()
            case "partition": try Town.measurePartition(count, seed: seed).forEach { $0.say() }
            case "cold": try Town.measureColdSync(count, seed: seed).say()
            case "false": try Town.measureFalseAlarms(count, seed: seed, hours: hours).say()
            case "pair": try Town.measureFalseAlarms(2, seed: seed, hours: hours).say()
            case "pair-doubling":
                try Town.measureFalseAlarms(2, seed: seed, hours: hours, doubles: true).say()
            case "starved": try Town.measureStarved(count, seed: seed, hours: hours).say()
            default: break
            }
        }
    }
}

import Foundation
import Testing

/// Every test here drives real processes and measures what they do, so they run one at a time: side by side they
/// would only measure each other. Each nested suite is filled in a file of its name.
@Suite(.serialized, .enabled(if: Binary.isBuilt))
enum EndToEnd {
    // The means first: what they find or do not find decides what the rest is worth.
    struct SecretSearchItself {}
    @Suite(.enabled(if: Rig.isPossible)) struct RigItself {}

    struct OneNode {}
    struct TwoNodes {}
    @Suite(.enabled(if: HostilePython.isInstalled)) struct Glass {}
    struct BadInput {}
    @Suite(.enabled(if: HostilePython.isInstalled)) struct Garbage {}
    @Suite(.enabled(if: PythonClient.isInstalled)) struct Vault {}
    @Suite(.enabled(if: HostilePython.isInstalled)) struct ScopedServers {}
    struct Orphans {}
    struct Demo {}
    @Suite(.enabled(if: PythonClient.isInstalled)) struct Doors {}
    @Suite(.enabled(if: PythonClient.isInstalled)) struct DoorsBehind {}
    @Suite(.enabled(if: PythonClient.isInstalled)) struct Sessions {}
    @Suite(.enabled(if: PythonClient.isInstalled)) struct Health {}
    struct Silence {}
    struct Faults {}
    struct CallHistory {}
    @Suite(.enabled(if: HostilePython.isInstalled)) struct HostileServers {}
    @Suite(.enabled(if: HostilePython.isInstalled)) struct Faithful {}
    @Suite(.enabled(if: PythonClient.isInstalled)) struct Matrix {}
    @Suite(.enabled(if: Rig.isPossible && PythonClient.isInstalled)) struct Segments {}
    @Suite(.enabled(if: Rig.isPossible)) struct Meshes {}
    @Suite(.enabled(if: Rig.isPossible && PythonClient.isInstalled)) struct FoundServers {}
    @Suite(.enabled(if: Rig.isPossible && PythonClient.isInstalled)) struct ServiceSeeds {}
    @Suite(.enabled(if: Rig.isPossible && PythonClient.isInstalled)) struct Replicas {}
}

/// Whether this is a machine that must run every test: what a developer's machine may skip is a failure there.
let isContinuousIntegration = ProcessInfo.processInfo.environment["CI"] == "true"

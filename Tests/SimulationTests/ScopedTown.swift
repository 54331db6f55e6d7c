import Catalog
import MartletTestKit
import Mesh

/// owner ── near (hq) ── bridge ── far (hq), lab; and outside, linked to all on the first network.
struct ScopedTown {
    let mesh: SimulatedMesh
    let owner: Int
    let near: Int
    let far: Int
    let lab: Int
    let bridge: Int
    let outside: Int
    let watch = Watch()

    var all: [Int] { [owner, near, far, lab, bridge, outside] }
    var strangers: [Int] { [bridge, outside] }

    static let name: Label = "payroll-7q"
    static let key = "payroll-7q"
    static let tag = "canary9x"
    static let scope = ServerScope(segments: ["hq"], nodes: ["lab"])

    init(seed: UInt64) throws {
        mesh = try SimulatedMesh(seed: seed)
        bridge = try mesh.addNode("bridge", segment: "plant", attachedTo: ["one", "two"])
        owner = try mesh.addNode("owner", segment: "office", attachedTo: ["one"])
        near = try mesh.addNode("near", segment: "hq", attachedTo: ["one"])
        far = try mesh.addNode("far", segment: "hq", attachedTo: ["two"])
        lab = try mesh.addNode("lab", segment: "plant", attachedTo: ["two"])
        outside = try mesh.addNode("outside", segment: "plant", attachedTo: ["one"])
        let strangers = [bridge, outside]
        let (mesh, owner, watch) = (mesh, owner, watch)
        mesh.wireObserver = { from, to, bytes in
            guard Self.isSeen(in: bytes) else { return }
            watch.timesSeen += 1
            if bytes.contains(Array(Self.tag.utf8)) { watch.manifestsSeen += 1 }
            if from != owner { watch.faults.append("\(from) passed it on to \(to)") }
            if strangers.contains(to) { watch.faults.append("\(to) was told by \(from)") }
        }
        mesh.stepObserver = { index in
            guard strangers.contains(index), let core = try? mesh.core(index) else { return }
            if !core.scopedServers.isEmpty { watch.faults.append("\(index) holds it") }
            if core.servers.keys.contains(where: { $0.name == Self.name }) {
                watch.faults.append("\(index) has it as a document")
            }
        }
        for index in all {
            mesh.start(index)
            if index != bridge { mesh.sight(index, mesh.address(bridge)) }
        }
    }

    final class Watch {
        var faults: [String] = []
        var timesSeen = 0
        /// Frames with a part of a manifest.
        var manifestsSeen = 0
    }

    static func isSeen(in bytes: [UInt8]) -> Bool {
        bytes.contains(Array(key.utf8)) || bytes.contains(Array(tag.utf8))
    }

    func publish(tools: Int = 3, padding: Int = 0, to scope: ServerScope = ScopedTown.scope) throws {
        try mesh.publish(owner, Self.name, tools: tools, tag: Self.tag, padding: padding, to: scope)
        mesh.configure(owner, servers: [], scopes: [Self.name: scope])
    }

    /// What a node lists of the server, entries included.
    func entries(at index: Int) throws -> Int? {
        try mesh.core(index).catalogSnapshot().servers[
            ServerKey(owner: mesh.id(owner), name: Self.name)]?.manifest?.entries.count
    }

    func isOnDisk(of index: Int) -> Bool {
        let state = mesh.disk(index).state
        return !state.scoped.isEmpty || state.documents.contains { Self.isSeen(in: $0.encoded) }
            || state.manifests.values.contains { Self.isSeen(in: $0) }
    }
}

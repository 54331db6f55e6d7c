package import Catalog
import Mesh

/// Counts who says of a healthy node that it is out of reach, though there is a way to it over nodes that are not starved.
///
/// A way is one of links that are up and that both their ends list. A node that is not starved itself must say so at no time. One that is wakes
/// up to find its links given up, rightly, and makes new ones; each counts when both ends' word on it has spread. Of such a node it counts
/// what it says though there has been a way for ``patience``, in which it had the processor.
package final class LostFromSight {
    package struct Loss: Hashable, Sendable {
        package var observer: SimulatedMesh.NodeIndex
        package var lost: SimulatedMesh.NodeIndex
    }

    /// Time for news to spread over links that lose some of it.
    package static let patience: Duration = .seconds(1)
    private static let lookEvery: Duration = .milliseconds(100)

    /// Each counts once for as long as it lasts.
    package private(set) var wrongly = 0
    /// The first few, and when.
    package private(set) var first: [(Loss, Instant)] = []
    /// Of these nothing is said wrongly: there was no way.
    package private(set) var rightly = 0

    private let healthy: [SimulatedMesh.NodeIndex]
    private let starved: [SimulatedMesh.NodeIndex]
    private let isHealthy: Set<SimulatedMesh.NodeIndex>
    private unowned let mesh: SimulatedMesh
    private var counted: Set<Loss> = []
    /// Since when there has been a way for each that says so all the same.
    private var since: [Loss: Instant] = [:]

    package init(in mesh: SimulatedMesh, starved: [SimulatedMesh.NodeIndex]) {
        self.mesh = mesh
        self.starved = starved
        healthy = mesh.running.filter { !starved.contains($0) }
        isHealthy = Set(healthy)
        mesh.effectObserver = { [unowned self] index, effect in
            if case .routesChanged = effect, isHealthy.contains(index) { look(at: index, patience: .zero) }
        }
    }

    /// Lets time pass, and looks on.
    package func run(for duration: Duration) {
        let end = mesh.now + duration
        while mesh.now < end {
            mesh.run(for: min(Self.lookEvery, end - mesh.now))
            for index in starved {
                // Who gets no processor says nothing, and has not seen what there was meanwhile.
                if mesh.isPaused(index) {
                    since = since.filter { $0.key.observer != index }
                } else {
                    look(at: index, patience: Self.patience)
                }
            }
        }
    }

    private func look(at observer: SimulatedMesh.NodeIndex, patience: Duration) {
        guard let core = try? mesh.core(observer) else { return }
        let lost =
            core.reachedCount < healthy.count + starved.count - 1
            ? healthy.filter { $0 != observer && core.route(to: mesh.id($0)) == nil } : []
        let joined = lost.isEmpty ? [] : joined(to: observer)
        for other in healthy {
            let loss = Loss(observer: observer, lost: other)
            guard lost.contains(other), joined.contains(other) else {
                if since.removeValue(forKey: loss) != nil { counted.remove(loss) }
                if lost.contains(other), counted.insert(loss).inserted { rightly += 1 }
                if !lost.contains(other) { counted.remove(loss) }
                continue
            }
            let begin = since[loss] ?? mesh.now
            if since.updateValue(begin, forKey: loss) == nil { counted.remove(loss) }
            guard mesh.now - begin >= patience, counted.insert(loss).inserted else { continue }
            wrongly += 1
            if first.count < 5 { first.append((loss, mesh.now)) }
        }
    }

    /// Whom there is a way to.
    private func joined(to index: SimulatedMesh.NodeIndex) -> Set<SimulatedMesh.NodeIndex> {
        var found: Set<SimulatedMesh.NodeIndex> = [index]
        var open = [index]
        while let node = open.popLast() {
            guard node == index || isHealthy.contains(node), let core = try? mesh.core(node) else { continue }
            for peer in core.listedLinks(of: core.me.id) where core.link(to: peer) != nil {
                guard let other = mesh.index(of: peer), !found.contains(other),
                    let theirs = try? mesh.core(other), theirs.link(to: core.me.id) != nil,
                    theirs.listedLinks(of: peer).contains(core.me.id)
                else { continue }
                found.insert(other)
                open.append(other)
            }
        }
        return found
    }
}

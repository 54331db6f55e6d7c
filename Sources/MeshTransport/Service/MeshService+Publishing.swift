package import Catalog
package import JSONSlice
package import Mesh

/// What this node says to the mesh.
extension MeshService {
    /// Runs one order of an administrator on the core; its effects are carried out by ``run()``, after all that
    /// were ordered before.
    func order<Failure: Error>(
        _ body: (inout MeshCore, Instant, inout SystemRandomNumberGenerator) throws(Failure) -> [MeshEffect]
    ) throws(Failure) {
        var random = SystemRandomNumberGenerator()
        pending += try body(&core, now(), &random)
        inlet.offer(.effectsWaiting)
    }

    /// Publishes one of this node's servers, or its changed state.
    ///
    /// - Parameter manifest: all that it offers; `nil`: what was published before stays.
    /// - Parameter scope: who may know of it; `nil`: everybody.
    package func publish(
        _ record: ServerRecord, manifest: Manifest?, to scope: ServerScope? = nil
    ) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.publish(record, manifest: manifest, to: scope, at: now, using: &random)
        }
    }

    /// Deletes one of this node's servers for everybody.
    package func withdraw(server name: Label) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.withdraw(server: name, at: now, using: &random)
        }
    }

    /// Defines a virtual server for the whole mesh.
    package func publishVirtualServer(
        _ name: Label, definition: JSON, isConfigured: Bool = false
    ) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.publish(
                virtualServer: name, definition: definition, isConfigured: isConfigured, at: now,
                using: &random)
        }
    }

    package func removeVirtualServer(_ name: Label) async throws {
        try await started()
        try order { core, now, random throws(PublishProblem) in
            try core.remove(virtualServer: name, at: now, using: &random)
        }
    }

    /// Says to all that this node leaves for good; ``stop()`` should follow once that has spread.
    package func leave() async throws {
        try await started()
        handle(.leaving)
        inlet.offer(.effectsWaiting)
    }

    /// An address where a peer may be.
    package nonisolated func sighted(_ candidate: Candidate) { inlet.offer(.event(.sighted(candidate))) }

    /// mDNS took an address back, or configuration dropped it.
    package nonisolated func vanished(address: String, source: CandidateSource) {
        inlet.offer(.event(.vanished(address: address, source)))
    }

    func holder(of label: Label) -> NodeID? { core.holder(of: label) }
    var ownAddresses: [String] { core.me.addresses }
}

package import Catalog
package import JSONSlice
import Mesh

extension Manifest {
    /// A server's list of so many tools, each with a schema of its own.
    package static func sample(tools count: Int, tag: String = "tool", padding: Int = 0) throws -> Manifest {
        let entries = try (0..<count).map { index in
            let definition = try JSON(
                validating: """
                    {"name":"\(tag)_\(index)","description":"\(String(repeating: "x", count: padding))",\
                    "inputSchema":{"type":"object","properties":{"a":{"type":"number"}}}}
                    """)
            return try Entry(kind: .tool, definition: definition).orFail("an entry")
        }
        return Manifest(
            entries: entries, instructions: "Use \(tag).",
            capabilities: try JSON(validating: #"{"tools":{"listChanged":true}}"#),
            serverInfo: try JSON(validating: #"{"name":"sample","version":"1.0"}"#))
    }
}

extension SimulatedMesh {
    /// Publishes a server with so many tools.
    package func publish(
        _ index: NodeIndex, _ name: Label, tools: Int, tag: String = "tool", padding: Int = 0,
        to scope: ServerScope? = nil
    ) throws {
        let manifest = try Manifest.sample(tools: tools, tag: tag, padding: padding)
        let record = ServerRecord(key: ServerKey(owner: id(index), name: name), state: .up)
        try act(index) { core, now, random throws(PublishProblem) in
            try core.publish(record, manifest: manifest, to: scope, at: now, using: &random)
        }
    }

    /// An issuer revokes a node that is none.
    package func revoke(_ index: NodeIndex, _ target: NodeIndex, reason: String = "lost") throws {
        let target = id(target)
        try act(index) { core, now, random throws(RevokeProblem) in
            try core.revoke(target, reason: reason, at: now, using: &random)
        }
    }

    /// Somebody with the root's key revokes a node.
    package func revokeByRoot(_ index: NodeIndex, _ target: NodeIndex, dropping: Set<NodeID> = []) throws {
        let (target, root) = (id(target), mesh.root)
        try act(index) { core, now, random throws(RevokeProblem) in
            try core.revoke(
                target, reason: "key stolen", dropping: dropping, by: root, at: now, using: &random)
        }
    }

    /// … and lets enrolments by it stand after all.
    package func correctByRoot(_ index: NodeIndex, _ target: NodeIndex, keeping: [NodeIndex]) throws {
        let (target, root) = (id(target), mesh.root)
        let kept = keeping.map { KeptEnrolment(node: id($0), serial: enrolment($0).serial) }
        try act(index) { core, now, random throws(RevokeProblem) in
            try core.correct(
                revocationOf: target, keeping: Set(kept), by: root, at: now, using: &random)
        }
    }

    package func withdraw(_ index: NodeIndex, _ name: Label) throws {
        try act(index) { core, now, random throws(PublishProblem) in
            try core.withdraw(server: name, at: now, using: &random)
        }
    }

    package func define(_ index: NodeIndex, _ name: Label, _ definition: JSON) throws {
        try act(index) { core, now, random throws(PublishProblem) in
            try core.publish(virtualServer: name, definition: definition, at: now, using: &random)
        }
    }

    package func remove(_ index: NodeIndex, _ name: Label) throws {
        try act(index) { core, now, random throws(PublishProblem) in
            try core.remove(virtualServer: name, at: now, using: &random)
        }
    }
}

extension SimulatedMesh {
    package func quarantine(_ index: NodeIndex, _ target: StatementTarget) throws {
        try act(index) { core, now, random throws(PublishProblem) in
            try core.say(.quarantine(target), reason: "bad", wall: 0, at: now, using: &random)
        }
    }

    package func approve(_ index: NodeIndex, _ address: EntryAddress, _ pin: Pin) throws {
        try act(index) { core, now, random throws(PublishProblem) in
            try core.say(.approve(address, pin), reason: "", wall: 0, at: now, using: &random)
        }
    }

    package func limit(_ index: NodeIndex, _ target: StatementTarget, _ allowance: CallAllowance) throws {
        try act(index) { core, now, random throws(PublishProblem) in
            try core.say(.limit(target, allowance), reason: "busy", wall: 0, at: now, using: &random)
        }
    }

    package func releaseLimits(_ index: NodeIndex, _ target: StatementTarget) throws {
        try act(index) { core, now, random throws(PublishProblem) in
            try core.releaseLimits(target, reason: "", wall: 0, at: now, using: &random).effects
        }
    }

    package func release(_ index: NodeIndex, _ target: StatementTarget) throws {
        try act(index) { core, now, random throws(PublishProblem) in
            try core.release(target, reason: "", wall: 0, at: now, using: &random).effects
        }
    }
}

package import Catalog
import Crypto
package import Mesh

/// A mesh's root, issuer and members, made from a seed; with real keys, or with hashes in place of signatures.
///
/// The hashes bind key and message as a signature does, but anybody can make them: they stand in where thousands
/// of signatures would take all of a simulation's time.
package struct TestMesh: Sendable {
    package enum Signatures: Sendable {
        case real
        case hashed
    }

    package let root: RootSigner
    package let issuer: Signer
    package let grant: IssuerGrant
    package let checker: SignatureChecker
    private let signatures: Signatures

    package var trust: MeshTrust { root.trust }

    package init(seed: UInt64 = 1, _ signatures: Signatures = .real) throws {
        self.signatures = signatures
        var random = SplitMix64(seed: seed)
        switch signatures {
        case .real:
            root = try RootSigner(scalar: random.bytes(32)).orFail()
            checker = .real
        case .hashed:
            let trust = try MeshTrust(rootKey: [4] + random.bytes(64)).orFail()
            root = RootSigner(trust: trust) { message throws(SigningFailure) in
                try hashed(trust.rootKey, message)
            }
            checker = .hashed
        }
        issuer = try Self.signer(&random, signatures)
        grant = try IssuerGrant(to: issuer.key, by: root)
    }

    package func signer(using random: inout SplitMix64) throws -> Signer {
        try Self.signer(&random, signatures)
    }

    package func enrolment(
        of signer: Signer, label: Label, roles: Roles = .ordinary, segment: Label = "home", serial: UInt64 = 1
    ) throws -> Enrolment {
        // The root makes issuers: they stand under a grant of their own.
        if roles.contains(.issuer), signer.key != issuer.key {
            return try Enrolment(
                of: signer.key, label: label, roles: roles, segment: segment, serial: serial,
                grant: IssuerGrant(to: signer.key, by: root), by: signer)
        }
        return try Enrolment(
            of: signer.key, label: label, roles: roles, segment: segment, serial: serial, grant: grant,
            by: issuer)
    }

    package func node(
        _ label: Label, roles: Roles = .ordinary, segment: Label = "home", incarnation: UInt64 = 1,
        addresses: [String] = [], using random: inout SplitMix64
    ) throws -> LocalNode {
        let signer = try signer(using: &random)
        return LocalNode(
            signer: signer,
            enrolment: try enrolment(of: signer, label: label, roles: roles, segment: segment),
            incarnation: incarnation, life: random.next(), addresses: addresses, software: "martlet test")
    }

    package func core(_ node: LocalNode, limits: MeshLimits = MeshLimits()) -> MeshCore {
        MeshCore(node, trust: trust, checker: checker, limits: limits)
    }

    private static func signer(_ random: inout SplitMix64, _ signatures: Signatures) throws -> Signer {
        let seed = random.bytes(32)
        switch signatures {
        case .real: return try Signer(seed: seed).orFail()
        case .hashed:
            let key = try NodeKey(raw: seed).orFail()
            return Signer(key: key) { message throws(SigningFailure) in try hashed(key.raw, message) }
        }
    }
}

extension SignatureChecker {
    /// Accepts what ``TestMesh/Signatures/hashed`` makes, and nothing else.
    package static let hashed = SignatureChecker(
        node: { key, signature, message in signature.bytes == hash(key.raw, message) },
        root: { key, signature, message in signature.bytes == hash(key, message) })
}

private func hashed(_ key: [UInt8], _ message: [UInt8]) throws(SigningFailure) -> Signature {
    guard let signature = Signature(bytes: hash(key, message)) else { throw SigningFailure("no 64 bytes") }
    return signature
}

private func hash(_ key: [UInt8], _ message: [UInt8]) -> [UInt8] { Array(SHA512.hash(data: key + message)) }

/// A test's own constants are right or the test is wrong: a bad literal traps with its text.
extension Label: ExpressibleByStringLiteral {
    package init(stringLiteral text: String) {
        guard let label = Label(text) else { preconditionFailure("no label: \(text)") }
        self = label
    }
}

/// What a test needs and does not get.
package struct Missing: Error, CustomStringConvertible {
    package var description: String
    package init(description: String) { self.description = description }
}

extension Optional {
    /// The value, or an error that ends the test.
    package func orFail(_ what: String = "a value that the test needs") throws(Missing) -> Wrapped {
        guard let self else { throw Missing(description: "missing: \(what)") }
        return self
    }
}

import Catalog
import Crypto
package import MCPTransport

extension StateSeal {
    /// The seal of a node for as long as it runs: AES-256-GCM (NIST SP 800-38D) under a random key that nobody else
    /// has and that is never stored, since what it names does not outlive the process either.
    ///
    /// A nonce is 96 random bits; a node would have to suspend 2³² calls in one life before two of them were worth a
    /// thought. The owner stands in the associated data besides the context.
    static func ofThisLife(of owner: NodeID) -> StateSeal { ofThisLife(of: owner.description) }

    /// The same for a process that is no node but speaks for one client (`martlet stdio`).
    package static func ofThisLife(of owner: String) -> StateSeal {
        let key = SymmetricKey(size: .bits256)
        let name = Array(owner.utf8)
        return StateSeal(
            seal: { content, context in
                try? AES.GCM.seal(content, using: key, authenticating: name + context).combined.map {
                    Array($0)
                }
            },
            open: { sealed, context in
                guard let box = try? AES.GCM.SealedBox(combined: sealed) else { return nil }
                return (try? AES.GCM.open(box, using: key, authenticating: name + context)).map { Array($0) }
            })
    }
}

package import JSONSlice

/// The keys of one issuer (RFC 7517 §5), as far as they can check signatures here.
package struct WebKeySet: Sendable {
    /// Why a document is no set of keys at all.
    package enum Fault: Error, Hashable, Sendable {
        case notJSON(JSONError)
        case notASet
        case tooManyKeys(Int)
        case noUsableKey([WebKey.Flaw])
    }

    /// Bytes of a set that is fetched; those of large providers have some 10 KiB.
    package static let bytesMax = 256 * 1024
    /// Keys of a set; large providers have some ten. Each may have to be tried for a token that names none.
    package static let keysMax = 64

    package let keys: [WebKey]
    /// What is wrong with those that are left out, in their order.
    package let flaws: [WebKey.Flaw]

    /// - Parameter allowsShared: see ``WebKey/init(_:allowsShared:)``.
    package init(document: [UInt8], allowsShared: Bool) throws(Fault) {
        var limits = JSONLimits()
        limits.bytesMax = Self.bytesMax
        limits.depthMax = 16
        let json: JSON
        do throws(JSONError) {
            json = try JSON(validating: document, limits: limits)
        } catch {
            throw .notJSON(error)
        }
        guard let list = json["keys"], list.kind == .array else { throw .notASet }
        let elements = list.elements
        guard elements.count <= Self.keysMax else { throw .tooManyKeys(elements.count) }
        var keys: [WebKey] = []
        var flaws: [WebKey.Flaw] = []
        for element in elements {
            do throws(WebKey.Flaw) {
                keys.append(try WebKey(element, allowsShared: allowsShared))
            } catch {
                flaws.append(error)
            }
        }
        guard !keys.isEmpty else { throw .noUsableKey(flaws) }
        self.keys = keys
        self.flaws = flaws
    }

    /// The keys that may have signed a token with this header.
    ///
    /// A token that names a key gets that key or none; only one that names none has all tried that are for its algorithm.
    package func candidates(for token: CompactSignature) -> [WebKey] {
        keys.filter { key in
            guard key.algorithms.contains(token.algorithm) else { return false }
            return token.keyID.map { key.id == $0 } ?? true
        }
    }
}

extension WebKeySet.Fault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notJSON(let error): "it is no JSON that is taken here: \(error.reason)"
        case .notASet: "it has no list named keys (RFC 7517 §5)"
        case .tooManyKeys(let count):
            "it has \(count) keys, more than the \(WebKeySet.keysMax) that are taken"
        case .noUsableKey(let flaws):
            flaws.isEmpty ? "it has no key" : "it has no key of use: \(flaws[0])"
        }
    }
}

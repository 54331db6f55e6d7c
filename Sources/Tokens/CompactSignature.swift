import JSONSlice

/// A JSON Web Signature in compact form (RFC 7515 §7.1), taken apart. Nothing of it is believed yet.
package struct CompactSignature: Sendable {
    /// Bytes of a token; those with many groups have some 4 KiB, and a request's head must hold it.
    package static let bytesMax = 16 * 1024
    private static let keyIDBytesMax = 512
    /// Claims nest two or three levels.
    private static let depthMax = 16

    package let algorithm: SignatureAlgorithm
    package let keyID: String?
    /// `typ` of the header.
    package let type: String?
    package let payload: [UInt8]
    let signature: [UInt8]
    /// Header and payload as they were signed.
    let signed: ArraySlice<UInt8>

    package init(_ text: some StringProtocol) throws(TokenFault) {
        let bytes = Array(text.utf8)
        guard bytes.count <= Self.bytesMax else { throw .tooLarge }
        let parts = bytes.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let header = Base64URL.decode(parts[0]),
            let payload = Base64URL.decode(parts[1]), let signature = Base64URL.decode(parts[2]),
            let head = Self.object(header)
        else { throw .malformed }
        guard let name = head["alg"]?.string else { throw .malformed }
        guard let algorithm = SignatureAlgorithm(name: name) else { throw .algorithmNotAllowed(name) }
        if let critical = head["crit"] {
            // No extension is understood here, and an empty or wrong list is no better (RFC 7515 §4.1.11).
            throw .critical(critical.elements.first?.string ?? "crit")
        }
        if head["b64"] != nil { throw .critical("b64") }  // RFC 7797 §6: must stand in `crit`
        self.algorithm = algorithm
        keyID = try Self.text("kid", in: head)
        type = try Self.text("typ", in: head)
        self.payload = payload
        self.signature = signature
        signed = bytes[..<parts[1].endIndex]
    }

    /// Whether one of the keys that may have made the signature did.
    ///
    /// - Throws: ``TokenFault/unknownKey(_:)`` or ``TokenFault/badSignature``.
    package func check(by keys: WebKeySet) throws(TokenFault) {
        let candidates = keys.candidates(for: self)
        guard !candidates.isEmpty else { throw .unknownKey(keyID) }
        guard candidates.contains(where: { $0.verifies(signature, of: signed, by: algorithm) }) else {
            throw .badSignature
        }
    }

    /// Strict JSON, without duplicate members: what two readers might read in two ways is refused.
    static func object(_ bytes: [UInt8]) -> JSON? {
        var limits = JSONLimits()
        limits.depthMax = depthMax
        guard let json = try? JSON(validating: bytes, limits: limits), json.kind == .object else {
            return nil
        }
        return json
    }

    private static func text(_ name: String, in head: JSON) throws(TokenFault) -> String? {
        guard let value = head[name] else { return nil }
        guard let text = value.string, text.utf8.count <= keyIDBytesMax else { throw .malformed }
        return text
    }
}

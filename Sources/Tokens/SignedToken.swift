package import JSONSlice

/// A JSON Web Token as it is shown: claims that somebody signed. Nothing of it is believed yet.
package struct SignedToken: Sendable {
    /// What `typ` may say of a token that gives access (RFC 7519 §5.1, RFC 9068 §2.1). Others are for other uses: what logs out
    /// or proves possession must not open a door (RFC 8725 §3.11).
    private static let types: Set<String> = ["jwt", "application/jwt", "at+jwt", "application/at+jwt"]

    package let signature: CompactSignature
    /// All claims, as they stand in the token.
    package let claims: JSON

    package init(_ text: some StringProtocol) throws(TokenFault) {
        signature = try CompactSignature(text)
        if let type = signature.type, !Self.types.contains(type.lowercased()) { throw .otherType(type) }
        guard let claims = CompactSignature.object(signature.payload) else { throw .malformed }
        self.claims = claims
    }

    package var algorithm: SignatureAlgorithm { signature.algorithm }

    /// Of whom the token claims to be, before anything of it is believed: to find the rules for it.
    package var claimedIssuer: String? { claims["iss"]?.string }

    /// Whether text has the form of a token, so that a caller can be told what is wrong with it. Looks at dots only.
    package static func isLike(_ text: some StringProtocol) -> Bool {
        var dots = 0
        for byte in text.utf8.prefix(CompactSignature.bytesMax) where byte == UInt8(ascii: ".") { dots += 1 }
        return dots == 2
    }
}

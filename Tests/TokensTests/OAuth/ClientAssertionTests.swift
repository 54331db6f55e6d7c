import JSONSlice
import MartletTestKit
import Testing

@testable import Tokens

struct ClientAssertionTests {
    /// RFC 8037, appendix A.1, as PKCS #8.
    static let ed25519 = """
        -----BEGIN PRIVATE KEY-----
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
        -----END PRIVATE KEY-----

        """
    /// Made of the same key by pyca/cryptography.
    private static let golden =
        "eyJhbGciOiJFZERTQSIsImtpZCI6ImsxIiwidHlwIjoiSldUIn0.eyJpc3MiOiJtYXJ0bGV0Iiwic3ViIjoibWFydGxldCIsImF1ZCI6Imh0dHBzOi8vYXMuZXhhbXBsZS5jb20vdDEiLCJqdGkiOiJpZC0xIiwiaWF0IjoxNzkwMDAwMDAwLCJleHAiOjE3OTAwMDAwNjB9.UzSjLjccUFMIgaHTQgWVucWgNxV_F25HGayQJRWdMAuKC44kdiweGYHv2O1NxcbcbOWPdIRkXpbmxCqJocsIBg"

    @Test func `an assertion is to the byte what another implementation makes of the same key`() throws {
        let made = try ClientAssertion.make(
            client: "martlet", issuer: "https://as.example.com/t1",
            key: ClientKey(pem: Array(Self.ed25519.utf8)),
            keyID: "k1", algorithm: .edDSA, id: "id-1", at: 1_790_000_000)
        #expect(made == Self.golden)
    }

    @Test(arguments: ["RS256", "RS384", "RS512", "ES256", "ES384"])
    func `each algorithm signs what its public key finds good, for that issuer and for a minute`(name: String)
        throws
    {
        let mint = try TokenMint(name, keyID: "k")
        let key = try ClientKey(pem: Array(mint.privatePEM.utf8))
        let algorithm = try #require(SignatureAlgorithm(name: name))
        #expect(key.algorithms.contains(algorithm))
        let made = try ClientAssertion.make(
            client: "c", issuer: "https://as.example.com", key: key, keyID: "k", algorithm: algorithm,
            id: "1",
            at: 1_000)
        let token = try SignedToken(made)
        try token.signature.check(by: WebKeySet(document: TokenMint.keySet([mint]), allowsShared: false))
        #expect(token.claims["aud"] == "https://as.example.com")
        #expect(token.claims["iss"] == "c" && token.claims["sub"] == "c" && token.claims["jti"] == "1")
        #expect(token.claims["iat"]?.int == 1_000 && token.claims["exp"]?.int == 1_060)
        #expect(token.signature.keyID == "k" && token.algorithm == algorithm)
    }

    @Test func `names that JSON must escape stay one value each`() throws {
        let id = #"a","admin":"yes"#
        let made = try ClientAssertion.make(
            client: id, issuer: "https://as.example.com", key: ClientKey(pem: Array(Self.ed25519.utf8)),
            keyID: nil,
            algorithm: .edDSA, id: "1", at: 0)
        let claims = try SignedToken(made).claims
        #expect(claims["iss"]?.string == id && claims["admin"] == nil)
    }

    @Test(arguments: ["", "secret", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
    func `what is no private key is told as such, without a byte of it`(text: String) {
        let error = #expect(throws: GrantTrouble.self) { try ClientKey(pem: Array(text.utf8)) }
        #expect(error?.description.contains("no private key") == true)
        #expect(error?.description.contains("AAAA") == false)
    }
}

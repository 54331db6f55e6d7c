import Testing

@testable import Vault

struct PasswordHashTests {
    /// Of "correct horse", by another implementation (Python's `hashlib.scrypt`).
    private static let foreign =
        "$scrypt$ln=14,r=8,p=1$c2l4dGVlbiBieXRlcyBvZg$88eplVhlBPS2lIJUrav3MbETxdW7bCvBkYs8xA3hwMA"

    @Test func `a hash knows its password and no other, and can be written and read`() throws {
        var random = SystemRandomNumberGenerator()
        let made = try PasswordHash(of: Secret(copying: "correct horse".utf8), using: &random)
        let read = try #require(PasswordHash(made.text))
        #expect(read == made)
        #expect(read.knows("correct horse"))
        for wrong in ["correct hors", "correct horse ", "Correct horse", ""] {
            #expect(!read.knows(wrong))
        }
        let again = try PasswordHash(of: Secret(copying: "correct horse".utf8), using: &random)
        #expect(again != made, "each has a salt of its own")
    }

    @Test func `a hash that another program made is understood`() throws {
        let hash = try #require(PasswordHash(Self.foreign))
        #expect(hash.knows("correct horse"))
        #expect(!hash.knows("wrong"))
        #expect(hash.text == Self.foreign)
    }

    @Test(arguments: [
        "", "password", "$scrypt$", "$2b$12$abcdefghijklmnopqrstuv",
        "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA",
        // Cheaper than is safe, and dearer than is bearable.
        "$scrypt$ln=4,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=22,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=300,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=1,x=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=1$$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAA",
        "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "$scrypt$ln=15,r=8,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB",
    ])
    func `what is no such hash is none`(text: String) {
        #expect(PasswordHash(text) == nil)
    }
}

extension PasswordHash {
    fileprivate func knows(_ password: String) -> Bool { isOf(Secret(copying: password.utf8)) }
}

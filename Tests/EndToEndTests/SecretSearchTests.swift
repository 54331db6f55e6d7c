import Foundation
import MartletTestKit
import Testing

/// That nothing is found means something only if what is there would have been.
extension EndToEnd.SecretSearchItself {
    private static let secret = "s3cr3t-" + UUID().uuidString + UUID().uuidString
    private var secret: String { Self.secret }

    @Test(arguments: [
        "", "x", "Bearer ", "{\"authorization\":\"Bearer ",
    ])
    func `a secret is found in every form, wherever it stands in its text`(before: String) {
        let search = SecretSearch(secret)
        let text = before + secret + "\"}"
        #expect(search.forms(in: text) == ["raw"])
        #expect(search.forms(in: Data(text.utf8).base64EncodedString()) == ["Base64"])
        let hexadecimal = Data(text.utf8).map { String(format: "%02X", $0) }.joined()
        #expect(search.forms(in: hexadecimal) == ["hexadecimal"])
        #expect(search.forms(in: hexadecimal.lowercased()) == ["hexadecimal"])
        #expect(search.forms(in: before + UUID().uuidString).isEmpty)
    }

    @Test func `a secret cut in two is found`() {
        let search = SecretSearch(secret)
        for cut in [5, 20, 39, 40, 60] {
            let text = secret.prefix(cut) + " and then " + secret.dropFirst(cut)
            #expect(search.forms(in: String(text)) == ["raw"], "cut at \(cut)")
        }
    }

    @Test func `a secret is found in a file across the pieces that are read`() async throws {
        let scratch = try Scratch()
        let filling = String(repeating: "-", count: SecretSearch.pieceSize - 20)
        _ = try scratch.write(filling + secret, to: "data.bin")
        _ = try scratch.write(filling, to: "other.bin")
        #expect(try await SecretSearch(secret).findings(inFolder: scratch.path) == ["data.bin: raw"])
    }

    @Test func `a secret is found in a process that holds it, and in no other`() async throws {
        let holder = try Program(["sleep", "60"], environment: ["HELD": secret])
        let other = try Program(["sleep", "60"])
        let search = SecretSearch(secret)
        try await eventually("found in the environment on its stack") {
            try await search.findings(inMemoryOf: holder.pid).contains("[stack]: raw")
        }
        #expect(try await search.findings(inMemoryOf: other.pid).isEmpty)
    }
}

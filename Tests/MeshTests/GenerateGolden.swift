import Foundation
import MartletTestKit
import Mesh
import Testing
@Test func generateGolden() throws {
    var text = "# Frames of the link protocol, version 1: a name, then all bytes of the frame in hex.\n"
    for (name, frame) in GoldenTests.frames { text += "\(name) \(Hex.encode(frame.encoded))\n" }
    try text.write(to: Fixture.url("mesh/frames.txt"), atomically: true, encoding: .utf8)
    var d = "# Enrolment and documents, version 1. Keys: root P-256 scalar 0x01 x 32, issuer and node Ed25519 seeds\n# 0x02 x 32 and 0x03 x 32. A name, then all bytes in hex.\n"
    for (name, bytes) in try GoldenDocuments().vectors.sorted(by: { $0.key < $1.key }) { d += "\(name) \(Hex.encode(bytes))\n" }
    try d.write(to: Fixture.url("mesh/documents.txt"), atomically: true, encoding: .utf8)
}

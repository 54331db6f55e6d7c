import Catalog
import JSONSlice
@testable import Mesh

extension FuzzTarget {
    /// The bytes of a link after its handshake.
    static let meshFrames = FuzzTarget(name: "mesh-frames") { input in
        var read: [[Frame]] = []
        var errors: [WireError?] = []
        for size in [input.count, 1, 13] {
            var decoder = FrameDecoder()
            var frames: [Frame] = []
            var error: WireError?
            var rest = input[...]
            do throws(WireError) {
                while !rest.isEmpty {
                    decoder.append(rest.prefix(max(1, size)))
                    rest = rest.dropFirst(max(1, size))
                    while let frame = try decoder.next() { frames.append(frame) }
                }
            } catch let thrown {
                error = thrown
            }
            read.append(frames)
            errors.append(error)
        }
        claim(
            read.allSatisfy { $0 == read[0] } && errors.allSatisfy { $0 == errors[0] },
            "frames do not depend on how they are cut")
        for frame in read[0] {
            claim(frame.bytesHeld > 0, "a frame takes memory")
            let again = try? Frame.decode(frame.encoded.dropFirst(4))
            claim(again == frame, "a frame reads as it is written: \(frame)")
            claim(
                (try? Frame.decode(frame.encoded(inflates: true).dropFirst(4))) == frame,
                "a deflated frame reads as it is written")
            if case .data(_, let kind, _, let bytes) = frame {
                _ = try? CallRecord(kind: kind, payload: bytes)
            }
        }
    }

    /// Single values; the first byte says which.
    static let meshValues = FuzzTarget(name: "mesh-values", bytesMax: 8192) { input in
        guard let kind = input.first else { return }
        let bytes = Array(input.dropFirst())
        switch kind % 24 {
        case 0: check(Hello.self, bytes)
        case 1: check(NodeBody.self, bytes)
        case 2: check(LinksBody.self, bytes)
        case 3: check(ServerBody.self, bytes)
        case 4: check(VirtualServerBody.self, bytes)
        case 5: check(CircuitHeader.self, bytes)
        case 6: check(BucketDigest.self, bytes)
        case 7: check(BucketSet.self, bytes)
        case 8: check(IssuerGrant.self, bytes)
        case 9: check(Enrolment.self, bytes)
        case 10: check(StatementBody.self, bytes)
        case 11: check(WirePrincipal.self, bytes)
        case 12: check(CallHeader.self, bytes)
        case 13: check(CallTicket.self, bytes)
        case 14: check(AskHeader.self, bytes)
        case 15: check(RenewalRequest.self, bytes)
        case 16: check(RenewalGrant.self, bytes)
        case 17:
            if let document = try? Document.decode(bytes) {
                claim(
                    document.encoded == bytes && document.encodedCount == bytes.count,
                    "a document has one spelling")
            }
            _ = Document.heading(bytes)
        case 18:
            if let statement = try? Statement.decode(bytes) {
                claim(statement.encoded == bytes, "a statement has one spelling")
            }
        case 19:
            if let revocation = try? Revocation.decode(bytes) {
                claim(revocation.encoded == bytes, "a revocation has one spelling")
            }
        case 20:
            if let document = try? ScopedDocument(decoding: bytes) {
                claim(document.encoded == bytes, "a scoped document has one spelling")
            }
        case 21:
            if let manifest = try? ManifestCodec.decode(bytes) {
                claim((try? ManifestCodec.encode(manifest)) != nil, "a manifest can be written")
            }
        case 22:
            guard let number = bytes.first else { return }
            if let record = try? CallRecord(kind: number, payload: Array(bytes.dropFirst())) {
                claim(
                    (try? CallRecord(kind: number, payload: record.payload)) != nil,
                    "a record reads as it is written")
            }
        default:
            let inflated = try? Deflate.inflated(bytes[...], to: 4096)
            claim(inflated?.count ?? 4096 == 4096, "exactly what was stated is inflated")
            if let deflated = Deflate.deflated(bytes) {
                claim(
                    (try? Deflate.inflated(deflated[...], to: bytes.count)) == bytes,
                    "what is deflated is inflated")
            }
        }
    }

    private static func check<Value: Canonical & Equatable>(_ type: Value.Type, _ bytes: [UInt8]) {
        guard let value = try? Value(canonical: bytes) else { return }
        // What a later version adds at the end may be read and not written.
        claim((try? Value(canonical: value.canonicalBytes)) == value, "\(type) reads as it is written")
    }

    /// What a joiner says before it is believed, and what it is answered; and the token that a person pastes.
    static let joins = FuzzTarget(name: "joins") { input in
        var decoder = JoinMessageDecoder()
        decoder.append(input)
        while let message = try? decoder.next() {
            guard let bytes = try? message.encoded() else { continue }
            claim(
                (try? JoinMessage.decode(bytes.dropFirst(4))) == message,
                "a message of a join reads as it is written")
        }
        let text = String(decoding: input, as: UTF8.self)
        if let token = try? JoinToken(text: text) {
            claim((try? JoinToken(text: token.text))?.text == token.text, "a token reads as it is written")
        }
        if let token = try? JoinToken(text: wrapped(input)) {
            claim((try? JoinToken(text: token.text))?.text == token.text, "a token reads as it is written")
        }
    }

    /// The input as the content of a token whose sum is right, which no search would find.
    private static func wrapped(_ input: [UInt8]) -> String {
        JoinToken.prefix + Base32.encode(input + ContentHash(of: input).bytes.prefix(JoinToken.checkBytes))
    }
}

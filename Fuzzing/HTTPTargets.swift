import HTTPWire
import NIOCore

/// What a decoder made of some bytes, to be compared with what it makes of the same bytes cut otherwise.
private struct Told: Equatable {
    var heads: [String] = []
    var body: [UInt8] = []
    var ends = 0
    var error: HTTPWireError?

    mutating func take(_ head: HTTPResponseHead) {
        heads.append("\(head.status) \(head.version)\n\(Self.fields(head.headers))")
    }

    mutating func take(_ bytes: ByteBuffer) {
        claim(bytes.readableBytes > 0, "a piece of a body has bytes")
        body += Array(bytes.readableBytesView)
    }

    static func fields(_ headers: HTTPHeaders) -> String {
        var text = ""
        for (name, value) in headers {
            claim(HTTPHeaders.isValidName(name), "a name that was read can be sent")
            claim(HTTPHeaders.isValidValue(value), "a value that was read can be sent")
            text += "\(name):\(value)\n"
        }
        return text
    }
}

extension FuzzTarget {
    private static var limits: HTTPMessageLimits {
        var limits = HTTPMessageLimits()
        // Small, so that they are met.
        limits.headBytesMax = 1024
        limits.targetBytesMax = 256
        limits.headerCountMax = 16
        limits.bodyBytesMax = 512
        limits.trailerBytesMax = 64
        limits.chunkExtensionBytesMax = 64
        return limits
    }

    /// The input as one piece, as single bytes, and as pieces of lengths that its own bytes name.
    private static func cuts(of input: [UInt8]) -> [[ArraySlice<UInt8>]] {
        var pieces: [ArraySlice<UInt8>] = []
        var rest = input[...]
        while let first = rest.first {
            pieces.append(rest.prefix(Int(first % 23) + 1))
            rest = rest.dropFirst(Int(first % 23) + 1)
        }
        return [[input[...]], input.indices.map { input[$0...$0] }, pieces]
    }

    static let httpRequest = FuzzTarget(name: "http-request") { input in
        let told = cuts(of: input).map { pieces in
            var told = Told()
            var decoder = HTTPRequestDecoder(limits: limits)
            do throws(HTTPWireError) {
                for piece in pieces {
                    decoder.feed(ByteBuffer(bytes: piece))
                    while let part = try decoder.next() {
                        switch part {
                        case .head(let head):
                            told.heads.append(
                                "\(head.method) \(head.target) \(head.version)\n\(Told.fields(head.headers))"
                                    + "\(head.keepsAlive) \(head.expectsContinue)")
                            if let target = try? HTTPTarget(head.target, method: head.method) {
                                _ = (target.segments, target.query)
                            }
                        case .body(let bytes): told.take(bytes)
                        case .end: told.ends += 1
                        }
                    }
                }
            } catch {
                told.error = error
                claim((400...599).contains(error.status), "an error has a status")
            }
            return told
        }
        claim(told.allSatisfy { $0 == told[0] }, "requests do not depend on how they are cut")
    }

    /// The first byte says which method is answered, and whether the connection ends.
    static let httpResponse = FuzzTarget(name: "http-response") { input in
        guard let kind = input.first else { return }
        let method = kind & 1 == 0 ? "GET" : "HEAD"
        let told = [false, true].flatMap { inSteps in
            cuts(of: Array(input.dropFirst())).map { pieces in
                responses(pieces, to: method, inSteps: inSteps, ends: kind & 2 == 0)
            }
        }
        claim(
            told.allSatisfy { $0 == told[0] },
            "responses depend neither on how they are cut nor on how they are taken")
    }

    /// - Parameter inSteps: whether those that can be are taken in one step.
    private static func responses(
        _ pieces: [ArraySlice<UInt8>], to method: String, inSteps: Bool, ends: Bool
    ) -> Told {
        var told = Told()
        var decoder = HTTPResponseDecoder(limits: limits)
        decoder.expectResponse(to: method)
        do throws(HTTPWireError) {
            for piece in pieces {
                decoder.feed(ByteBuffer(bytes: piece))
                while true {
                    if inSteps, let (head, body) = decoder.nextJSON() {
                        told.take(head)
                        told.take(ByteBuffer(bytes: body))
                    } else if let part = try decoder.next() {
                        switch part {
                        case .head(let head): told.take(head)
                        case .body(let bytes): told.take(bytes)
                        case .end: break
                        }
                        guard part == .end else { continue }
                    } else {
                        break
                    }
                    told.ends += 1
                    decoder.expectResponse(to: method)
                }
            }
            if ends, try decoder.finish() != nil { told.ends += 1 }
        } catch {
            told.error = error
            claim(!decoder.isReusable, "after an error a connection is of no use")
        }
        return told
    }

    /// Targets, URLs, authorities, percent-encoding: texts within a head, or from a configuration or a redirect.
    static let httpText = FuzzTarget(name: "http-text", bytesMax: 2048) { input in
        let text = String(decoding: input, as: UTF8.self)
        for method in ["GET", "OPTIONS"] {
            guard let target = try? HTTPTarget(text, method: method) else { continue }
            _ = (target.segments, target.query, target.path)
        }
        claim(
            PercentCoding.decode(PercentCoding.encode(bytes: input.filter { $0 < 0x80 && $0 > 0 })) != nil,
            "what is encoded is decoded")
        claim(
            text.utf8.contains(0) || PercentCoding.decode(PercentCoding.encode(text)) == text,
            "texts survive encoding")
        _ = PercentCoding.decode(text, plusIsSpace: true)
        if let authority = HTTPAuthority(text) {
            claim(HTTPAuthority(authority.description) == authority, "an authority reads as it is written")
            _ = authority.isAddress
        }
        if let url = try? HTTPURL(text) {
            claim((try? HTTPURL(url.description)) == url, "a URL reads as it is written: \(url)")
            _ = url.setting([("a b", Array("1&2".utf8)), ("x", [])])
        }
        if let base = try? HTTPURL("https://host/a/b?c"), let url = try? base.resolving(text) {
            claim((try? HTTPURL(url.description)) == url, "a resolved URL reads as it is written: \(url)")
        }
    }
}

import HTTPWire
import MartletTestKit
import NIOCore

/// What a decoder made of some bytes, in a form that two runs can be compared by.
struct Decoded: Equatable {
    var lines: [String] = []
    var error: HTTPWireError?

    private mutating func add(body: ByteBuffer) {
        let text = String(buffer: body)
        if let last = lines.last, last.hasPrefix("body ") {
            lines[lines.count - 1] = last + text
        } else {
            lines.append("body " + text)
        }
    }

    static func requests(_ pieces: [String], limits: HTTPMessageLimits = .standard) -> Decoded {
        var decoded = Decoded()
        var decoder = HTTPRequestDecoder(limits: limits)
        do throws(HTTPWireError) {
            for piece in pieces {
                decoder.feed(ByteBuffer(string: piece))
                while let part = try decoder.next() {
                    switch part {
                    case .head(let head):
                        decoded.lines.append(
                            "\(head.method) \(head.target) \(head.version) \(fields(head.headers))")
                    case .body(let bytes): decoded.add(body: bytes)
                    case .end: decoded.lines.append("end")
                    }
                }
            }
        } catch {
            decoded.error = error
        }
        return decoded
    }

    static func responses(
        _ pieces: [String], to methods: [String] = ["GET"], ends: Bool = false,
        limits: HTTPMessageLimits = .standard
    ) -> Decoded {
        var decoded = Decoded()
        var decoder = HTTPResponseDecoder(limits: limits)
        var methods = methods[...]
        if let method = methods.popFirst() { decoder.expectResponse(to: method) }
        do throws(HTTPWireError) {
            for piece in pieces {
                decoder.feed(ByteBuffer(string: piece))
                while let part = try decoder.next() {
                    switch part {
                    case .head(let head):
                        decoded.lines.append("\(head.status) \(head.version) \(fields(head.headers))")
                    case .body(let bytes): decoded.add(body: bytes)
                    case .end:
                        decoded.lines.append("end")
                        if let method = methods.popFirst() { decoder.expectResponse(to: method) }
                    }
                }
            }
            if ends, try decoder.finish() != nil { decoded.lines.append("end") }
        } catch {
            decoded.error = error
        }
        return decoded
    }

    private static func fields(_ headers: HTTPHeaders) -> String {
        headers.map { "\($0.name)=\($0.value)" }.joined(separator: ";")
    }
}

extension SplitMix64 {
    /// Cuts a text of ASCII into pieces of one byte or more, anywhere.
    mutating func cut(_ text: String) -> [String] {
        var rest = Array(text.utf8)[...]
        var pieces: [String] = []
        let longest = Int.random(in: 1...max(1, rest.count), using: &self)
        while !rest.isEmpty {
            let count = Int.random(in: 1...min(longest, rest.count), using: &self)
            pieces.append(String(decoding: rest.prefix(count), as: UTF8.self))
            rest = rest.dropFirst(count)
        }
        return pieces
    }
}

/// The SRV records of one DNS answer (RFC 2782), read from the message's bytes, which come from wherever the network's resolver
/// points.
package struct SRVAnswer: Hashable, Sendable {
    /// Records taken of one answer; a mesh needs a few addresses to begin with.
    package static let recordsMax = 32
    /// A name has 255 bytes at most, so this many steps through compressed parts end nowhere but in a loop.
    private static let jumpsMax = 16

    package struct Record: Hashable, Sendable {
        package var priority: UInt16
        package var weight: UInt16
        package var address: PeerAddress

        package init(priority: UInt16, weight: UInt16, address: PeerAddress) {
            self.priority = priority
            self.weight = weight
            self.address = address
        }
    }

    /// The most wanted first: by priority, then by weight.
    package let records: [Record]
    /// For how long it holds, in seconds: the least of its records; 0 without any.
    package let secondsToLive: UInt32

    /// - Returns: `nil` when the bytes are no answer. Records whose target is no host name are left out.
    package init?(message: some Collection<UInt8>) {
        var reader = Reader(bytes: Array(message))
        guard reader.bytes.count >= 12 else { return nil }
        reader.at = 4
        guard let questions = reader.word(), let answers = reader.word(), reader.skip(4) else { return nil }
        for _ in 0..<questions {
            guard reader.name() != nil, reader.skip(4) else { return nil }
        }
        var records: [Record] = []
        var seconds: UInt32?
        for _ in 0..<answers where records.count < Self.recordsMax {
            // An answer that was cut off is as good as what is left of it.
            guard reader.name() != nil, let type = reader.word(), let kind = reader.word(),
                let high = reader.word(), let low = reader.word(), let length = reader.word(),
                reader.at + Int(length) <= reader.bytes.count
            else { break }
            let end = reader.at + Int(length)
            defer { reader.at = end }
            guard type == 33, kind == 1 else { continue }
            guard let priority = reader.word(), let weight = reader.word(), let port = reader.word(),
                let target = reader.name(), reader.at <= end, port != 0, Self.isHost(target)
            else { continue }
            seconds = min(seconds ?? .max, UInt32(high) << 16 | UInt32(low))
            records.append(
                Record(priority: priority, weight: weight, address: PeerAddress(host: target, port: port)))
        }
        self.records = records.sorted {
            ($0.priority, $1.weight, $0.address) < ($1.priority, $0.weight, $1.address)
        }
        secondsToLive = seconds ?? 0
    }

    /// `.` says that there is no such service (RFC 2782).
    private static func isHost(_ name: String) -> Bool {
        (1...253).contains(name.utf8.count) && !name.hasPrefix("-")
            && name.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "_")
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            }
    }

    private struct Reader {
        let bytes: [UInt8]
        var at = 0

        mutating func skip(_ count: Int) -> Bool {
            at += count
            return at <= bytes.count
        }

        mutating func word() -> UInt16? {
            guard at + 2 <= bytes.count else { return nil }
            defer { at += 2 }
            return UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1])
        }

        /// A name, with dots and without the last one; goes on behind it, wherever its parts are (RFC 1035 §4.1.4).
        mutating func name() -> String? {
            var labels: [String] = []
            var (place, next) = (at, nil as Int?)
            var (jumps, length) = (0, 0)
            while place < bytes.count {
                let count = Int(bytes[place])
                if count == 0 {
                    at = next ?? place + 1
                    return labels.joined(separator: ".")
                }
                if count >= 0xC0 {
                    guard place + 1 < bytes.count, jumps < SRVAnswer.jumpsMax else { return nil }
                    next = next ?? place + 2
                    place = (count & 0x3F) << 8 | Int(bytes[place + 1])
                    jumps += 1
                    continue
                }
                length += count + 1
                guard count < 64, length <= 255, place + 1 + count <= bytes.count else { return nil }
                labels.append(String(decoding: bytes[(place + 1)...(place + count)], as: UTF8.self))
                place += count + 1
            }
            return nil
        }
    }
}

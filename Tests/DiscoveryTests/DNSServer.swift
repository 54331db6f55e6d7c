import Glibc
import Synchronization

/// A small DNS server over UDP on loopback: answers every question for SRV as it was last told.
final class DNSServer: Sendable {
    enum Reply: Sendable {
        case records([(priority: UInt16, weight: UInt16, port: UInt16, target: String)], seconds: UInt32)
        case nothing
        case refused
        case silence
        /// The header of the question, marked as an answer, and then these bytes.
        case garbage([UInt8])
    }

    let port: UInt16
    private let socket: Int32
    private let state = Mutex<(reply: Reply, asked: Int)>((.nothing, 0))

    init?() {
        let socket = Glibc.socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(socket, $0, size) == 0 && getsockname(socket, $0, &size) == 0
            }
        }
        guard socket >= 0, bound else { return nil }
        self.socket = socket
        port = UInt16(bigEndian: address.sin_port)
    }

    /// The thread of `serve` ends with it.
    func close() {
        shutdown(socket, Int32(SHUT_RDWR))
        Glibc.close(socket)
    }

    var asked: Int { state.withLock { $0.asked } }

    func reply(_ reply: Reply) { state.withLock { $0.reply = reply } }

    /// Answers until closed; blocks.
    func serve() {
        var question = [UInt8](repeating: 0, count: 512)
        while true {
            var peer = sockaddr_in()
            var size = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    recvfrom(socket, &question, question.count, 0, $0, &size)
                }
            }
            guard count > 12 else { return }
            let reply = state.withLock { state in
                state.asked += 1
                return state.reply
            }
            guard let answer = Self.message(reply, to: Array(question.prefix(count))) else { continue }
            _ = withUnsafePointer(to: &peer) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    sendto(socket, answer, answer.count, 0, $0, size)
                }
            }
        }
    }

    static func message(_ reply: Reply, to question: [UInt8]) -> [UInt8]? {
        var end = 12
        while end < question.count, question[end] != 0 { end += Int(question[end]) + 1 }
        let asked = Array(question[12..<min(end + 5, question.count)])
        func head(_ code: UInt8, _ answers: Int) -> [UInt8] {
            Array(question[0..<2]) + [0x81, 0x80 | code, 0, 1, 0, UInt8(answers), 0, 0, 0, 0] + asked
        }
        switch reply {
        case .silence: return nil
        case .nothing: return head(3, 0)
        case .refused: return head(5, 0)
        case .garbage(let bytes): return Array(question[0..<2]) + [0x81, 0x80] + bytes
        case .records(let records, let seconds):
            return records.reduce(into: head(0, records.count)) { message, record in
                let labels = record.target.split(separator: ".").map { Array($0.utf8) }
                let target: [UInt8] = labels.reduce(into: []) { $0 += [UInt8($1.count)] + $1 } + [0]
                let data = [record.priority, record.weight, record.port].flatMap(bytes) + target
                message += [0xC0, 12] + bytes(33) + bytes(1) + bytes(UInt16(seconds >> 16))
                message += bytes(UInt16(truncatingIfNeeded: seconds)) + bytes(UInt16(data.count)) + data
            }
        }
    }

    private static func bytes(_ word: UInt16) -> [UInt8] { [UInt8(word >> 8), UInt8(word & 255)] }
}

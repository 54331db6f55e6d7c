import Dispatch
import Foundation
import MartletTestKit

/// Looks for a secret where it must not be (or must): in texts, in files, in the memory of a running process.
///
/// Found are the bytes as they are, in hexadecimal, in Base64 (both alphabets, at any alignment within a longer text) and
/// percent-encoded as in URLs and forms. Each half of the secret is looked for by itself, since a secret cut in two somewhere leaves one half whole.
struct SecretSearch: Sendable {
    /// What is read of one process or folder at most: far more than a node has, so that reaching it is an error.
    static let bytesMax = 8 * 1024 * 1024 * 1024
    /// Read at a time; consecutive pieces overlap by the longest needle.
    static let pieceSize = 4 * 1024 * 1024

    private struct Needle: Hashable {
        let form: String
        let bytes: Data
    }

    private let needles: Set<Needle>

    /// - Parameter secret: of at least 24 bytes, so that nothing matches by chance.
    init(_ secret: String) {
        let bytes = Array(secret.utf8)
        precondition(bytes.count >= 24, "a shorter secret would be found by chance")
        let middle = bytes.count / 2
        needles = Set([bytes[..<middle], bytes[middle...]].flatMap { Self.needles(of: Array($0)) })
    }

    private static func needles(of part: [UInt8]) -> [Needle] {
        let digits = Array("0123456789abcdef".utf8)
        let hexadecimal = part.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        let upper = Array(String(decoding: hexadecimal, as: UTF8.self).uppercased().utf8)
        var needles = [
            Needle(form: "raw", bytes: Data(part)), Needle(form: "hexadecimal", bytes: Data(hexadecimal)),
            Needle(form: "hexadecimal", bytes: Data(upper)),
        ]
        // Letters and digits alone are the same raw; what else there is decides, with hexadecimal digits of either case.
        for digits in [Array("0123456789ABCDEF".utf8), Array("0123456789abcdef".utf8)] {
            let encoded = part.flatMap { byte -> [UInt8] in
                isUnreserved(byte)
                    ? [byte] : [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
            if encoded != part { needles.append(Needle(form: "URL", bytes: Data(encoded))) }
            let whole = part.flatMap { [UInt8(ascii: "%"), digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
            needles.append(Needle(form: "URL", bytes: Data(whole)))
        }
        for shift in 0..<3 {
            // Before the part may stand 0, 1 or 2 bytes of its first group of three: the characters that they
            // decide are not looked for, nor the last one where bytes behind the part decide it too.
            let text = Array(Data([UInt8](repeating: 0, count: shift) + part).base64EncodedString().utf8)
            let certain = text[((shift * 8 + 5) / 6)..<((shift + part.count) * 8 / 6)]
            let url = certain.map { $0 == UInt8(ascii: "+") ? UInt8(ascii: "-") : $0 }
                .map { $0 == UInt8(ascii: "/") ? UInt8(ascii: "_") : $0 }
            needles += [
                Needle(form: "Base64", bytes: Data(certain)), Needle(form: "Base64", bytes: Data(url)),
            ]
        }
        return needles
    }

    /// RFC 3986 §2.3.
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-._~".utf8.contains(byte)
        }
    }

    /// The forms in which a text has the secret.
    func forms(in text: String) -> Set<String> {
        var text = text
        return text.withUTF8 { forms(in: UnsafeRawBufferPointer($0)) }
    }

    /// What was found in the files of a folder, at any depth, one line each.
    func findings(inFolder folder: String) async throws -> [String] {
        try await Self.offTheTaskPool {
            var findings: [String] = []
            var budget = Self.bytesMax
            guard let files = FileManager.default.enumerator(atPath: folder) else {
                throw TestFailure("no folder \(folder)")
            }
            for case let file as String in files {
                let path = "\(folder)/\(file)"
                var facts = stat()
                guard lstat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFREG else { continue }
                let descriptor = open(path, O_RDONLY | O_CLOEXEC)
                if descriptor < 0 && errno == ENOENT { continue }  // a running node removes files too
                guard descriptor >= 0 else {
                    throw TestFailure("cannot read \(path): \(String(cString: strerror(errno)))")
                }
                defer { close(descriptor) }
                let forms = try search(descriptor, 0..<UInt64(facts.st_size), budget: &budget)
                findings += forms.map { "\(file): \($0)" }
            }
            return findings
        }
    }

    /// What was found in the memory of a process, one line for each form and kind of memory.
    ///
    /// The process runs on meanwhile: what it maps or unmaps during the search may be missed.
    func findings(inMemoryOf pid: Int32) async throws -> [String] {
        try await Self.offTheTaskPool {
            let maps = try String(contentsOfFile: "/proc/\(pid)/maps", encoding: .utf8)
            let memory = open("/proc/\(pid)/mem", O_RDONLY | O_CLOEXEC)
            guard memory >= 0 else {
                throw TestFailure("cannot read the memory of \(pid): \(String(cString: strerror(errno)))")
            }
            defer { close(memory) }
            var findings: Set<String> = []
            var budget = Self.bytesMax
            for line in maps.split(separator: "\n") {
                guard let region = MemoryRegion(line), region.isReadable else { continue }
                for form in try search(memory, region.addresses, budget: &budget) {
                    findings.insert("\(region.name): \(form)")
                }
            }
            guard budget < Self.bytesMax else { throw TestFailure("no memory of \(pid) could be read") }
            return findings.sorted()
        }
    }

    // MARK: -

    /// Bytes that cannot be read (unmapped meanwhile, a device's) are passed over.
    private func search(_ descriptor: Int32, _ range: Range<UInt64>, budget: inout Int) throws -> Set<String>
    {
        let overlap = needles.map(\.bytes.count).max() ?? 0
        let piece = UnsafeMutableRawBufferPointer.allocate(
            byteCount: Self.pieceSize + overlap, alignment: 16)
        defer { piece.deallocate() }
        var found: Set<String> = []
        var (place, kept) = (range.lowerBound, 0)
        while place < range.upperBound {
            let wanted = Int(min(UInt64(Self.pieceSize), range.upperBound - place))
            guard budget >= wanted else { throw TestFailure("more than \(Self.bytesMax) bytes to search") }
            let count = pread(
                descriptor, piece.baseAddress?.advanced(by: kept), wanted, off_t(truncatingIfNeeded: place))
            guard count > 0 else { break }
            budget -= count
            let filled = kept + count
            found.formUnion(forms(in: UnsafeRawBufferPointer(rebasing: piece[..<filled])))
            kept = min(overlap, filled)
            piece.copyBytes(from: UnsafeRawBufferPointer(rebasing: piece[(filled - kept)..<filled]))
            place += UInt64(count)
        }
        return found
    }

    private func forms(in bytes: UnsafeRawBufferPointer) -> Set<String> {
        guard let base = bytes.baseAddress else { return [] }
        let data = Data(
            bytesNoCopy: UnsafeMutableRawPointer(mutating: base), count: bytes.count, deallocator: .none)
        return Set(needles.filter { data.range(of: $0.bytes) != nil }.map(\.form))
    }

    private static func offTheTaskPool<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(with: Swift.Result { try body() }) }
        }
    }
}

/// One line of `/proc/PID/maps` (proc_pid_maps(5)).
private struct MemoryRegion {
    /// The kernel's own pages, which cannot be read through `mem`.
    private static let unreadable: Set<Substring> = ["[vvar]", "[vvar_vclock]", "[vsyscall]"]

    let addresses: Range<UInt64>
    let isReadable: Bool
    /// The file or kernel name behind it, or `anonymous`.
    let name: String

    init?(_ line: Substring) {
        let fields = line.split(separator: " ", maxSplits: 5)
        guard fields.count >= 5 else { return nil }
        let ends = fields[0].split(separator: "-").compactMap { UInt64($0, radix: 16) }
        guard ends.count == 2, ends[0] <= ends[1] else { return nil }
        addresses = ends[0]..<ends[1]
        let name = fields.count > 5 ? fields[5].drop(while: { $0 == " " }) : "anonymous"
        isReadable = fields[1].hasPrefix("r") && !Self.unreadable.contains(name)
        self.name = String(name)
    }
}

import ArgumentParser
import Glibc
import JSONSlice

/// Text that a command is given: a file or standard input, bounded, valid UTF-8.
enum InputFile {
    static let bytesMax = 4 * 1024 * 1024

    static func text(at path: String, bytesMax: Int = bytesMax) throws -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandFailure("cannot read \(path): \(reason(errno))") }
        defer { close(descriptor) }
        return try text(from: descriptor, named: path, bytesMax: bytesMax)
    }

    /// One JSON object as an option gives it: itself, `@FILE`, or `-` for standard input.
    static func jsonObject(_ given: String, of option: String) throws -> JSON {
        let text =
            given == "-"
            ? try standardInput() : given.hasPrefix("@") ? try text(at: String(given.dropFirst())) : given
        let object: JSON
        do {
            object = try JSON(validating: text)
        } catch {
            throw ValidationError("\(option): not JSON: \(error)")
        }
        guard object.kind == .object else { throw ValidationError("\(option): expected a JSON object") }
        return object
    }

    /// - Parameter prompt: shown when a person types; what is typed is then not echoed.
    static func standardInput(bytesMax: Int = bytesMax, prompt: String? = nil) throws -> String {
        guard let prompt, isatty(STDIN_FILENO) == 1 else {
            return try text(from: STDIN_FILENO, named: "standard input", bytesMax: bytesMax)
        }
        _ = Array(prompt.utf8).withUnsafeBytes { write(STDERR_FILENO, $0.baseAddress, $0.count) }
        var before = termios()
        tcgetattr(STDIN_FILENO, &before)
        var silent = before
        silent.c_lflag &= ~tcflag_t(ECHO)
        tcsetattr(STDIN_FILENO, TCSANOW, &silent)
        defer {
            tcsetattr(STDIN_FILENO, TCSANOW, &before)
            Terminal.complain("")
        }
        return readLine() ?? ""
    }

    /// A vault of the most and largest secrets, sealed, is no larger.
    static let backupBytesMax = 512 * 1024 * 1024

    static func bytes(at path: String, bytesMax: Int = backupBytesMax) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw CommandFailure("cannot read \(path): \(reason(errno))") }
        defer { close(descriptor) }
        return try bytes(from: descriptor, named: path, bytesMax: bytesMax)
    }

    private static func text(from descriptor: Int32, named name: String, bytesMax: Int) throws -> String {
        let bytes = try bytes(from: descriptor, named: name, bytesMax: bytesMax)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw CommandFailure("\(name) is not UTF-8 text")
        }
        return text
    }

    private static func bytes(from descriptor: Int32, named name: String, bytesMax: Int) throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 * 1024)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            if count == 0 { break }
            if count < 0 {
                if errno == EINTR { continue }
                throw CommandFailure("cannot read \(name): \(reason(errno))")
            }
            bytes += chunk[..<count]
            guard bytes.count <= bytesMax else {
                throw CommandFailure(
                    "\(name) is larger than \(bytesMax / 1024) KiB, the most that is read here")
            }
        }
        return bytes
    }

    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}

/// What must not stand on a command line: read from a file or standard input, a terminal not echoing it.
enum SecretInput {
    /// A secret of the vault is no longer.
    private static let bytesMax = 64 * 1024

    static func read(from file: String? = nil, prompt: String) throws -> String {
        let text = try value(from: file, prompt: prompt)
        guard !text.isEmpty else { throw CommandFailure("the value is empty; nothing was changed") }
        return text
    }

    /// A passphrase that is set: a person types it twice.
    static func newPassphrase(from file: String?, prompt: String) throws -> String {
        let first = try read(from: file, prompt: prompt)
        guard file == nil, Terminal.hasKeyboard else { return first }
        guard try value(from: nil, prompt: "Once more: ") == first else {
            throw CommandFailure("the two are not the same; nothing was changed")
        }
        return first
    }

    private static func value(from file: String?, prompt: String) throws -> String {
        var text =
            try file.map { try InputFile.text(at: $0, bytesMax: bytesMax) }
            ?? InputFile.standardInput(bytesMax: bytesMax, prompt: prompt)
        // An editor's or echo's final newline is not part of a credential.
        while text.last?.isNewline == true { text.removeLast() }
        return text
    }
}

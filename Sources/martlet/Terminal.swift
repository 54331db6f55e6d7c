#if canImport(Glibc)
    import Glibc
#endif

/// What the terminal can do, and plain words when there is none: colour is used only on a terminal.
enum Terminal {
    static let isInteractive = isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil

    /// Whether a person types.
    static var hasKeyboard: Bool { isatty(STDIN_FILENO) == 1 }

    /// Columns of the terminal; 100 where there is none.
    static var width: Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 20 else { return 100 }
        return Int(size.ws_col)
    }

    static func dim(_ text: String) -> String { styled(text, "2") }
    static func bold(_ text: String) -> String { styled(text, "1") }
    static func good(_ text: String) -> String { styled(text, "32") }
    static func bad(_ text: String) -> String { styled(text, "31") }
    static func warning(_ text: String) -> String { styled(text, "33") }

    /// Text from elsewhere, made safe to print: control characters (also escape sequences), and those that turn the direction of
    /// what follows, become spaces.
    static func singleLine(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                        || scalar.properties.isBidiControl ? " " : scalar
                }))
    }

    /// One line broken between words to fit the terminal, and 100 columns; what follows the first is indented by four more.
    static func wrapped(_ text: String, width: Int = min(width, Table.widthMax)) -> String {
        let lead = String(text.prefix { $0 == " " })
        var lines: [String] = []
        var line = lead
        for word in text.split(separator: " ") {
            if line.count > lead.count, line.count + 1 + word.count > width {
                lines.append(line)
                line = lead + "    "
            }
            line += (line.allSatisfy { $0 == " " } ? "" : " ") + word
        }
        return (lines + [line]).joined(separator: "\n")
    }

    /// Text of several lines, made safe to print: of control characters only line feed, tab and our own styles stay.
    ///
    /// Much of what commands print comes from backends and other nodes; an escape sequence in it could rewrite the
    /// screen, or have the terminal type for the person.
    static func content(_ text: String, withStyles: Bool = false) -> String {
        var safe = String.UnicodeScalarView()
        var rest = text.unicodeScalars[...]
        while let scalar = rest.popFirst() {
            let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
            if !isControl || scalar == "\n" || scalar == "\t" {
                safe.append(scalar)
            } else if withStyles, scalar == "\u{1B}",
                let style = styles.first(where: { rest.starts(with: $0) })
            {
                safe.append(scalar)
                safe.append(contentsOf: style)
                rest.removeFirst(style.count)
            } else if scalar == "\r", rest.first == "\n" {
                continue
            } else {
                safe.append(" ")
            }
        }
        return String(safe)
    }

    /// Written at once, not when a buffer is full: another program may be waiting for the line.
    static func say(_ text: String = "") {
        _ = emit(content(text, withStyles: isInteractive), to: STDOUT_FILENO)
    }

    /// Says what must not get lost.
    ///
    /// - Returns: whether it lies on the disk, or was taken by a pipe or terminal, which cannot tell more.
    static func hands(over text: String) -> Bool {
        emit(content(text), to: STDOUT_FILENO)
            && (fsync(STDOUT_FILENO) == 0 || errno == EINVAL || errno == EROFS)
    }

    static func complain(_ text: String) {
        _ = emit(content(text, withStyles: isInteractive), to: STDERR_FILENO)
    }

    /// An answer for a program, to the byte; for eyes it is made safe as all else is.
    static func data(_ text: String) {
        _ = emit(isatty(STDOUT_FILENO) == 1 ? content(text) : text, to: STDOUT_FILENO)
    }

    /// - Returns: whether all of it was taken.
    private static func emit(_ text: String, to descriptor: Int32) -> Bool {
        var rest = Array((text + "\n").utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else { return false }
            rest = rest.dropFirst(max(0, count))
        }
        return true
    }

    /// What follows the escape character in each of the styles above, and in their end.
    private static let styles = ["0", "1", "2", "31", "32", "33"].map { "[\($0)m".unicodeScalars }

    private static func styled(_ text: String, _ code: String) -> String {
        isInteractive ? "\u{1B}[\(code)m\(text)\u{1B}[0m" : text
    }
}

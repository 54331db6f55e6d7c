/// A secret given on the command line as itself, as `@FILE`, or as `-` for standard input.
enum TokenArgument {
    static let bytesMax = 64 * 1024

    static func read(_ argument: String) throws -> String {
        let text: String
        if argument == "-" {
            text = try InputFile.standardInput(bytesMax: bytesMax)
        } else if argument.hasPrefix("@") {
            text = try InputFile.text(at: String(argument.dropFirst()), bytesMax: bytesMax)
        } else {
            text = argument
        }
        let trimmed = text.drop(while: \.isWhitespace)
        guard let end = trimmed.lastIndex(where: { !$0.isWhitespace }) else {
            throw CommandFailure("the token is empty; `martlet mesh token` on a node of the mesh prints one")
        }
        return String(trimmed[...end])
    }
}

/// One thing that can be found, as its texts.
package struct SearchDocument: Hashable, Sendable {
    /// How much of a description counts for its meaning.
    static let descriptionLengthMax = 600
    /// How many parameters do.
    static let parametersMax = 20

    /// What people call the server; may be empty.
    package var server: String
    /// The thing's own name.
    package var name: String
    package var description: String
    /// Names of its parameters.
    package var parameters: [String]
    /// Further words that it is found by, beside those of its server: a title, tags. They say nothing of its meaning.
    package var keywords: [String]
    /// Further whole names that it is known by.
    package var aliases: [String]

    package init(
        server: String = "", name: String, description: String = "", parameters: [String] = [],
        keywords: [String] = [], aliases: [String] = []
    ) {
        self.server = server
        self.name = name
        self.description = description
        self.parameters = parameters
        self.keywords = keywords
        self.aliases = aliases
    }

    /// The text whose vector stands for it, in the form in which the model was trained.
    package var textOfMeaning: String {
        let server = Identifiers.words(of: server)
        var text = (server.isEmpty ? "" : server + " ") + Identifiers.words(of: name) + ". "
        text.unicodeScalars += description.unicodeScalars.prefix(Self.descriptionLengthMax)
        guard !parameters.isEmpty else { return text }
        let names = parameters.prefix(Self.parametersMax).map(Identifiers.words)
        return text + " Parameters: " + names.joined(separator: ", ")
    }
}
